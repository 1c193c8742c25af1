"""Pages for a client's people and for staff; read-only but for a few forms that call the domain."""

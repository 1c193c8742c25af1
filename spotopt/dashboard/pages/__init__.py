"""One module per page: a page and its live sections are one view and one set of templates."""

"""Handlers: each deals with one kind of signal, on a thread of its own, until nothing is left to do."""

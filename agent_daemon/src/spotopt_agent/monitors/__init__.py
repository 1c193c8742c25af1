"""Monitors: each does one check of the metadata service and returns a signal or None."""

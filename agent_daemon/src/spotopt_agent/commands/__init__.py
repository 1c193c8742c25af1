"""Commands: fetched, carried out once, reported until the server has heard it."""

"""What the pages show, read in a fixed number of queries whatever the size of the fleet."""

"""Cost estimates, and placement of runs on a cluster."""

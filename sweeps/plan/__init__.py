"""Cost estimates, and where runs are placed."""

"""Study files: the configuration of every run."""

"""The dictionary of shapes on one schedule: candidates, fits, functionals and their intervals."""

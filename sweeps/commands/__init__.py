"""The commands of ``sweeps``, one a file."""

"""The functions behind the commands of ``sweeps``: keyword arguments in, results out."""

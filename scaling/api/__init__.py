"""The functions behind the commands of ``scaling``: a cube or a path and keyword arguments in, results out."""

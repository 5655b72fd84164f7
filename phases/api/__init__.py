"""The functions behind the commands of ``phases``: keyword arguments in, results out."""

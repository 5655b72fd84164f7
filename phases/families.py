"""Names of the models that ``phases detect --family`` offers. Reading them imports nothing."""

FAMILIES = ("dictionary", "kink", "level", "markov", "logistic", "gompertz")
"""The dictionary of shapes, then the classical models of ``calque.phases.classical``."""

"""Classical models of a series, beside the dictionary of shapes and described as what they are (docs/CLASSICAL.md)."""

FAMILIES = ("dictionary", "kink", "level", "markov", "logistic", "gompertz")
"""Names for ``phases detect --family``: our dictionary of shapes, then the classical models of this package."""

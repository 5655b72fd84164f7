"""Classical models of a series, beside the dictionary of shapes and described as what they are (docs/CLASSICAL.md)."""

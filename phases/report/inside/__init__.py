"""Heads, layers and ablations of the models, in the report."""

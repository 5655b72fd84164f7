"""Whether the answer of a series holds when choices of the analysis are varied."""

"""Simulated size, coverage and power: of the standard suite, and of a given study's own design."""

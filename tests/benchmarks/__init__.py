"""Benchmarks and long simulations, run on demand: ``make bench`` or ``python -m tests.benchmarks.NAME``."""

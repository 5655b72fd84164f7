"""Mutated and hostile input: ``python -m tests.fuzz --seconds N --seed S --kind imports``; see ``frame``."""

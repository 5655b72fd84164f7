"""Adaptive checkpoints: the rule that places them, and their record in the cube."""

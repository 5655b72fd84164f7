"""Checkpoints on disk: weights, full training states, SHA-256 sums."""

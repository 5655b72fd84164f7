"""Checkpoints of trained runs: loading and exporting them."""

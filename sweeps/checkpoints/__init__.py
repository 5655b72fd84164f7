"""Checkpoints that runs kept: reading and exporting them."""

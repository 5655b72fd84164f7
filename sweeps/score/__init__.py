"""Checkpoints that exist already, scored into a cube."""

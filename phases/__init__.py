"""Detecting when a capability begins in a cube of metrics over training."""

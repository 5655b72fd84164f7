"""Training: the loop, the optimizer, the loader, the distributed strategy, the checkpointer."""

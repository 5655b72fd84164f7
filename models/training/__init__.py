"""Training: the loop, the optimizer, the loader, the strategy, what happens at a checkpoint."""

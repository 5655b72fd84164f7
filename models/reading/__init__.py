"""What a model computes inside, the same quantities for every architecture."""

"""Power analysis: what a design can detect, and the best ladder under a budget."""

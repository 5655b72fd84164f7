"""The decoder and its sizes, training, checkpoints and scoring."""

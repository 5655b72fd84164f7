"""What the layers of a model hold: words that its residual stream already says, and how alike languages are in it."""

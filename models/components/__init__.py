"""What the parts of a model do: scores of its heads and layers, each with its interval and its control."""

"""From a cube to trajectories: metrics, items, and the training axis."""

"""Scores of a model's parts at its checkpoints, in the group ``components`` of a cube."""

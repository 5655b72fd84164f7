"""Attribution over training: which language of the training text made a loss of words change, and in which component."""

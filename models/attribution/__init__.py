"""Attribution over training: which language's text made a loss of words change, and in which component."""

"""Laws of held-out loss, one in each file."""

"""Text of one's own: a folder for each language."""

"""A word list from translation catalogues: words that at least three packages translate alike."""

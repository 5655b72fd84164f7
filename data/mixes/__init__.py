"""Language mixes: the shares of languages, and what a mix does to text."""

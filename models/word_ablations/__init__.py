"""Parts of a model taken away while words are asked."""

"""Languages, mixes, corpora, tokenizers, token shards, word lists, minimal pairs and the cube."""

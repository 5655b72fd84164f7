"""Hugging Face: export of checkpoints for ``transformers``, and import of other models to be scored."""

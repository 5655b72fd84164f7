"""Both ways with Hugging Face: our checkpoints for ``transformers``, and other models for our questions."""

"""Scoring a model at a checkpoint: losses, word translation, copying and minimal pairs."""

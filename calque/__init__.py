"""Calque: when does a capability begin during pretraining."""

"""Contrasts between language mixes."""

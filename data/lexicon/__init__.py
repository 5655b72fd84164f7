"""Vendored word list and minimal pairs."""

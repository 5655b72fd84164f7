"""Curves, noise and logs that mislead a detector, with what the report must say of them."""

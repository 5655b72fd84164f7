"""The decoder, its matrix products and its loss."""

"""Launching runs side by side under Ray. The only package that imports ray."""

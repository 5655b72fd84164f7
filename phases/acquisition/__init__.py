"""Acquisition times of items and their survival regression."""

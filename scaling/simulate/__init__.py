"""Simulated cubes with known truth."""

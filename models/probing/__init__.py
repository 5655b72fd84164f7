"""Probing one model: what is asked for, and the scores of each group of a cube."""

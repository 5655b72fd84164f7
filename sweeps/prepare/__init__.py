"""Preparing the data of runs."""

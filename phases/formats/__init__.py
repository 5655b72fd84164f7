"""Readers of other tools' logs: each turns files of one kind into a table of runs, tokens and metrics."""

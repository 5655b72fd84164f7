"""Watching a study: terminal displays, the live page, trackers."""

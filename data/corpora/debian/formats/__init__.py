"""Readers: one file's bytes to paragraphs, each with a key that is the same in every language, or ''."""

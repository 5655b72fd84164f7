"""Corpora behind one interface: text that is vendored or simulated, with licence and provenance."""

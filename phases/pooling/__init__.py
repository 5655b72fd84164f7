"""Pooling takeoffs and lags over pairs, languages, mixes, sizes and seeds."""

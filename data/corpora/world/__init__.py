"""The ``world`` corpus: a simulated multilingual world with known truth."""

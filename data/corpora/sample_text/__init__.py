"""The vendored sample of real text in nine languages."""

"""Configuration files in YAML, read strictly: each mistake is one line with file, line, key and what was expected."""

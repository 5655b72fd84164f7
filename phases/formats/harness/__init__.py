"""lm-evaluation-harness: its result files, what their names tell, and what its metrics count."""

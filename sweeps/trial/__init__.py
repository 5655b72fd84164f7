"""One run in one process: training, scoring, adaptive checkpoints."""

"""What the columns of results are, for datasets: long names and units."""

TRANSITION = {
    "outcome": ("what came of the question", ""), "reason": ("the outcome in words", ""),
    "tokens": ("location, or width", "tokens"), "low": ("lower limit", "tokens"), "high": ("upper limit", "tokens"),
    "level": ("coverage of the interval", "1"), "p_value": ("p-value", "1"),
    "p_adjusted": ("p-value, Benjamini-Yekutieli over the delay tests", "1"),
    "elasticity": ("largest power of tokens that growth exceeds", "1"), "phases": ("waves of growth", "1"),
    "falls": ("whether the score falls as training succeeds", ""), "n_checkpoints": ("checkpoints analysed", "1"),
    "without_checkpoint": ("checkpoint that the answer hangs on", "tokens"),
    "without_outcome": ("outcome without that checkpoint", ""),
    "without_tokens": ("location without that checkpoint", "tokens"),
    "without_low": ("lower limit without that checkpoint", "tokens"),
    "without_high": ("upper limit without that checkpoint", "tokens"),
    "without_p_value": ("p-value without that checkpoint", "1"),
}  # fmt: skip
"""Long name and unit of the columns of transitions."""
LAG = {
    "log_ratio": ("natural logarithm of the ratio of the two takeoffs", "1"), "low": ("lower limit of log_ratio", "1"),
    "high": ("upper limit of log_ratio", "1"), "level": ("coverage of the interval", "1"),
    "p_value": ("p-value of no lag", "1"), "tokens": ("difference of the two takeoffs", "tokens"),
    "outcome": ("what came of the question", ""), "reason": ("the outcome in words", ""),
}  # fmt: skip
"""Long name and unit of the columns of lags."""

"""What the columns of results are, for datasets: long names and units."""

TRANSITION = {
    "outcome": ("what came of the question", ""), "reason": ("the outcome in words", ""),
    "tokens": ("location, or width", "tokens"), "low": ("lower limit", "tokens"), "high": ("upper limit", "tokens"),
    "level": ("coverage of the interval", "1"), "p_value": ("p-value", "1"),
    "p_adjusted": ("p-value that decides: Benjamini-Yekutieli, of a primary test its own", "1"),
    "role": ("role of the test: primary (declared, one a run) or exploratory", ""),
    "elasticity": ("largest power of tokens that growth exceeds", "1"), "phases": ("waves of growth", "1"),
    "falls": ("whether the score falls as training succeeds", ""), "n_checkpoints": ("checkpoints analysed", "1"),
    "without_checkpoint": ("checkpoint that the answer hangs on", "tokens"),
    "without_outcome": ("outcome without that checkpoint", ""),
    "without_tokens": ("location without that checkpoint", "tokens"),
    "without_low": ("lower limit without that checkpoint", "tokens"),
    "without_high": ("upper limit without that checkpoint", "tokens"),
    "without_p_value": ("p-value without that checkpoint", "1"),
    "told_by": ("seeds that tell growth from persistent noise together, where the run alone cannot", "1"),
    "at_change": ("change of the schedule that the finding begins at", ""),
    "axis": ("what growth is asked about", ""), "position": ("location on the axis", ""),
    "position_low": ("lower limit on the axis", ""), "position_high": ("upper limit on the axis", ""),
}  # fmt: skip
"""Long name and unit of the columns of transitions."""
DIAGNOSIS = {
    "run": ("run", ""), "group": ("part of the run", ""), "metric": ("metric", ""),
    "p_value": ("p-value of the goodness of fit", "1"),
    "autocorrelation_p": ("p-value of autocorrelation left in the residuals", "1"),
    "variance_p": ("p-value of a variance that changes over the run", "1"),
    "outlier_p": ("p-value of the largest residual", "1"),
    "tails_p": ("p-value of large residuals beside small ones", "1"),
    "dispersion_p": ("p-value of more or less scatter than the trials allow", "1"),
    "outlier_tokens": ("checkpoint of the largest residual", "tokens"),
    "outlier_size": ("largest residual, in standard deviations", "1"),
    "rho": ("fitted autocorrelation of the noise between checkpoints", "1"),
    "sd": ("fitted standard deviation of the shift, logits of counts or unit of the metric", ""),
    "trend": ("fitted fall of the log standard deviation of the noise over the run", "1"),
    "overdispersion": ("fitted variance of counts relative to independent trials", "1"),
    "n_checkpoints": ("checkpoints analysed", "1"), "n_items": ("items behind each count", "1"),
}  # fmt: skip
"""Long name and unit of the columns of diagnostics."""
LAG = {
    "log_ratio": ("natural logarithm of the ratio of the two takeoffs", "1"), "low": ("lower limit of log_ratio", "1"),
    "high": ("upper limit of log_ratio", "1"), "level": ("coverage of the interval", "1"),
    "p_value": ("p-value of no lag", "1"), "p_adjusted": ("p-value, Benjamini-Yekutieli over the lags", "1"),
    "tokens": ("difference of the two takeoffs", "tokens"),
    "outcome": ("what came of the question", ""), "reason": ("the outcome in words", ""),
    "axis": ("what growth is asked about", ""),
}  # fmt: skip
"""Long name and unit of the columns of lags."""
VARIED = {
    "kind": ("kind of choice that is varied", ""), "delay": ("outcome of the test of a delayed start", ""),
    "p_value": ("p-value of it", "1"), "outcome": ("outcome of takeoff", ""), "tokens": ("takeoff", "tokens"),
    "low": ("lower limit", "tokens"), "high": ("upper limit", "tokens"), "n_checkpoints": ("checkpoints analysed", "1"),
    "holds": ("whether the answer is that of the series as asked", ""),
}  # fmt: skip
"""Long name and unit of the columns of sensitivity."""

"""The table of ``scaling loss``."""

from __future__ import annotations

from rich.table import Table

from calque.data.command_line.command import console
from calque.scaling.loss.result import LossReport


def print_loss(report: LossReport) -> None:
    """Print the parameters with the intervals of the resamples and of the profiles, and the sentences.

    Parameters
    ----------
    report : LossReport
        What is printed.
    """
    fitted = report.fit
    out = console()
    if fitted.parameters:
        table = Table(fitted.formula, "estimate", f"{fitted.level:.0%} low", "high", "profile low", "high")
        for profile, (name, value) in zip(fitted.profiles, fitted.parameters.items(), strict=True):
            low, high = fitted.intervals[name]
            ends = ("open" if v is None else f"{v:.4g}" for v in (profile.low, profile.high))
            table.add_row(name, *(f"{v:.5g}" for v in (value, low, high)), *ends)
        table.add_row(f"{fitted.objective.kind} objective", f"{fitted.value:.8g}")
        out.print(table)
    for sentence in report.sentences:
        out.print(sentence, soft_wrap=True)

"""The table of ``scaling loss``."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.scaling.loss.result import LossReport


def loss_parts(report: LossReport) -> list[RenderableType]:
    """Return the parameters with the intervals of the resamples and of the profiles, and the sentences.

    Parameters
    ----------
    report : LossReport
        What is shown.
    """
    fitted = report.fit
    out: list[RenderableType] = []
    if fitted.parameters:
        table = Table(fitted.formula, "estimate", f"{fitted.level:.0%} low", "high", "profile low", "high")
        for profile, (name, value) in zip(fitted.profiles, fitted.parameters.items(), strict=True):
            low, high = fitted.intervals[name]
            ends = ("open" if v is None else f"{v:.4g}" for v in (profile.low, profile.high))
            table.add_row(name, *(f"{v:.5g}" for v in (value, low, high)), *ends)
        table.add_row(f"{fitted.objective.kind} objective", f"{fitted.value:.8g}")
        out.append(table)
    return [*out, *map(Text, report.sentences)]

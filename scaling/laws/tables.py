"""Tables of ``scaling fit``, and the table of takeoffs."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.data.command_line.naming import named
from calque.data.quantities import format_count
from calque.phases.detection.terms import takeoff_meant
from calque.scaling.laws.result import TakeoffFit
from calque.scaling.observations import Observation


def takeoff_table(observations: tuple[Observation, ...]) -> Table:
    """Return the runs with their takeoffs, one row for each.

    Parameters
    ----------
    observations : tuple of Observation
        One for each run.
    """
    table = Table("run", "size", "parameters", "takeoff", "low", "high", "outcome")
    for o in observations:
        table.add_row(o.run, o.size, *map(format_count, (o.n, o.tokens, o.low, o.high)), o.outcome)
    return table


def fit_parts(result: TakeoffFit) -> list[RenderableType]:
    """Return the takeoffs, the parameters, the outcome and which runs were left out.

    Parameters
    ----------
    result : TakeoffFit
        What is shown.
    """
    fitted = result.fit
    out: list[RenderableType] = [takeoff_table(fitted.data)]
    if fitted.parameters:
        table = Table(fitted.formula, "estimate", f"{fitted.level:.0%} low", "high")
        for name, value in fitted.parameters.items():
            low, high = fitted.intervals[name]
            table.add_row(name, *(f"{v:.4g}" for v in (value, low, high)))
        table.add_row("seed SD of ln T", f"{fitted.seed_sd:.3f}")
        out.append(table)
    out.append(Text(f"{fitted.law} law: {fitted.outcome}: {fitted.reason}."))
    out.append(Text(takeoff_meant(result.rise)))
    return [*out, *([Text(*named([result.note]))] if result.note else [])]

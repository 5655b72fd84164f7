"""Tables of ``scaling forecast`` and ``scaling calibrate``."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.data.command_line.naming import named
from calque.data.quantities import format_counts, plural
from calque.phases.detection.terms import takeoff_meant
from calque.scaling.forecast.calibration_result import ForecastCalibration
from calque.scaling.forecast.result import Forecast
from calque.scaling.laws.tables import takeoff_table


def forecast_parts(forecast: Forecast) -> list[RenderableType]:
    """Return the takeoffs, one row for each law, and the sentences.

    Parameters
    ----------
    forecast : Forecast
        What is shown.
    """
    out: list[RenderableType] = [takeoff_table(forecast.observations)]
    rows = [row for row in forecast.rows if row.low is not None]
    if rows:
        table = Table(
            "law", "takeoff", "low", "high", "outcome", "sd: parameters", "seeds", "law wrong", "miss left out"
        )
        for row in rows:
            parts = (row.parameter_sd, row.seed_sd, row.discrepancy_sd, row.rollout_rms)
            table.add_row(
                row.law, *format_counts(row.tokens, row.low, row.high), row.outcome,
                *("-" if part is None else f"{part:.3f}" for part in parts),
            )  # fmt: skip
        out.append(table)
    return [*out, *map(Text, named(forecast.sentences)), Text(takeoff_meant(forecast.rise))]


def calibration_parts(result: ForecastCalibration) -> list[RenderableType]:
    """Return how often intervals held the new run, one row for each truth, seed SD and law.

    Parameters
    ----------
    result : ForecastCalibration
        What is shown.
    """
    level = result.level
    table = Table("truth", "seeds", "seed SD", "law", f"{level:.0%} covers", "RMS", "bias", "width", "floor")
    for row in result.rows:
        numbers = (row.rms, row.bias, row.width)
        table.add_row(
            row.truth, str(row.seeds), f"{row.seed_sd:g}", row.law, f"{row.coverage:.3f}",
            *(f"{v:.3f}" for v in numbers), f"{row.floor_weight:.0%}",
        )  # fmt: skip
    n = result.rows[0].studies
    error = (level * (1 - level) / n) ** 0.5
    note = (
        f"{plural(n, 'study', 'studies')} a row; standard error of a coverage {error:.3f}. Errors and widths in ln T."
    )
    return [table, Text(note)]

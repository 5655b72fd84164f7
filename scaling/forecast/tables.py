"""Tables of ``scaling forecast`` and ``scaling calibrate``."""

from __future__ import annotations

from rich.table import Table

from calque.data.command_line.command import console
from calque.data.quantities import format_count
from calque.scaling.forecast.calibration import ForecastCalibration
from calque.scaling.forecast.result import Forecast
from calque.scaling.laws.tables import takeoff_table


def print_forecast(forecast: Forecast) -> None:
    """Print the takeoffs, one row for each law, and the sentences.

    Parameters
    ----------
    forecast : Forecast
        What is printed.
    """
    out = console()
    out.print(takeoff_table(forecast.observations))
    rows = [row for row in forecast.rows if row.low is not None]
    if rows:
        table = Table(
            "law", "takeoff", "low", "high", "outcome", "sd: parameters", "seeds", "law wrong", "miss left out"
        )
        for row in rows:
            parts = (row.parameter_sd, row.seed_sd, row.discrepancy_sd, row.rollout_rms)
            table.add_row(
                row.law, format_count(row.tokens), format_count(row.low), format_count(row.high), row.outcome,
                *("-" if part is None else f"{part:.3f}" for part in parts),
            )  # fmt: skip
        out.print(table)
    for sentence in forecast.sentences:
        out.print(sentence, soft_wrap=True)


def print_calibration(result: ForecastCalibration) -> None:
    """Print how often intervals held the new run, one row for each truth, seed SD and law.

    Parameters
    ----------
    result : ForecastCalibration
        What is printed.
    """
    level = result.level
    table = Table("truth", "seeds", "seed SD", "law", f"{level:.0%} covers", "RMS", "bias", "width", "floor")
    for row in result.rows:
        numbers = (row.rms, row.bias, row.width)
        table.add_row(
            row.truth, str(row.seeds), f"{row.seed_sd:g}", row.law, f"{row.coverage:.3f}",
            *(f"{v:.3f}" for v in numbers), f"{row.floor_weight:.0%}",
        )  # fmt: skip
    out = console()
    out.print(table)
    n = result.rows[0].studies
    error = (level * (1 - level) / n) ** 0.5
    out.print(f"{n} studies a row; standard error of a coverage {error:.3f}. Errors and widths in ln T.")

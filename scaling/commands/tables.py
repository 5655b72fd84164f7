"""What the command line prints: tables and sentences, or JSON."""

from __future__ import annotations

from rich.table import Table

from calque.data.command_line.command import console
from calque.data.quantities import format_count
from calque.scaling.forecast.calibration import Coverage
from calque.scaling.forecast.result import Forecast
from calque.scaling.laws.fit import ScalingFit
from calque.scaling.observations import Observation
from calque.scaling.simulate.simulate import Simulation


def _cell(value: float | None) -> str:
    return "-" if value is None else format_count(value)


def _transitions(observations: tuple[Observation, ...]) -> Table:
    table = Table("run", "size", "parameters", "takeoff", "low", "high", "outcome")
    for o in observations:
        table.add_row(o.run, o.size, format_count(o.n), _cell(o.tokens), _cell(o.low), _cell(o.high), o.outcome)
    return table


def print_forecast(forecast: Forecast) -> None:
    """Print the transitions, one row a law, and the sentences."""
    out = console()
    out.print(_transitions(forecast.observations))
    rows = [row for row in forecast.rows if row.low is not None]
    if rows:
        table = Table(
            "law",
            "takeoff",
            "low",
            "high",
            "outcome",
            "sd: parameters",
            "seeds",
            "law wrong",
            "miss left out",
        )
        for row in rows:
            parts = (row.parameter_sd, row.seed_sd, row.discrepancy_sd, row.rollout_rms)
            table.add_row(
                row.law, _cell(row.tokens), _cell(row.low), _cell(row.high), row.outcome,
                *("-" if part is None else f"{part:.3f}" for part in parts),
            )  # fmt: skip
        out.print(table)
    for sentence in forecast.sentences:
        out.print(sentence, soft_wrap=True)


def print_fit(fitted: ScalingFit) -> None:
    """Print the transitions, the parameters and the outcome."""
    out = console()
    out.print(_transitions(fitted.data))
    if fitted.parameters:
        table = Table(fitted.formula, "estimate", f"{fitted.level:.0%} low", "high")
        for name, value in fitted.parameters.items():
            low, high = fitted.intervals[name]
            table.add_row(name, *(f"{v:.4g}" for v in (value, low, high)))
        table.add_row("seed SD of ln T", f"{fitted.seed_sd:.3f}")
        out.print(table)
    out.print(f"{fitted.law} law: {fitted.outcome}: {fitted.reason}.", soft_wrap=True)


def print_coverage(rows: list[Coverage], level: float) -> None:
    """Print how often intervals held, one row a truth, seed SD and law."""
    table = Table("truth", "seeds", "seed SD", "law", f"{level:.0%} covers", "RMS", "bias", "width", "floor")
    for row in rows:
        numbers = (row.rms, row.bias, row.width)
        table.add_row(
            row.truth, str(row.seeds), f"{row.seed_sd:g}", row.law, f"{row.coverage:.3f}",
            *(f"{v:.3f}" for v in numbers), f"{row.floor_weight:.0%}",
        )  # fmt: skip
    out = console()
    out.print(table)
    n = rows[0].studies
    error = (level * (1 - level) / n) ** 0.5
    out.print(f"{n} studies a row; standard error of a coverage {error:.3f}. Errors and widths in ln T.")


def print_simulation(simulation: Simulation, path: str) -> None:
    """Print the true takeoffs."""
    out = console()
    table = Table("run", "parameters", "copying", "false copying", "translation", "outcome")
    for run, rows in simulation.takeoffs.groupby("run", sort=False):
        times = dict(zip(rows["metric"], rows["tokens"].astype(float), strict=True))
        table.add_row(
            str(run),
            format_count(float(rows["n_params_non_embedding"].iloc[0])),
            *(format_count(times[m]) if times[m] > 0 else "-" for m in ("copying", "false_copying", "translation")),
            str(rows["outcome"].iloc[-1]),
        )
    out.print(table)
    out.print(f"True takeoffs in tokens. Wrote {path}.", soft_wrap=True)

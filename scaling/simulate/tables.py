"""The table of ``scaling simulate``."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.data.quantities import format_count
from calque.scaling.simulate.result import Simulation


def simulation_parts(simulation: Simulation) -> list[RenderableType]:
    """Return the true takeoffs, and where the cube was written.

    Parameters
    ----------
    simulation : Simulation
        What is shown.
    """
    table = Table("run", "parameters", "copying", "false copying", "translation", "outcome")
    for run, rows in simulation.takeoffs.groupby("run", sort=False):
        times = dict(zip(rows["metric"], rows["tokens"].astype(float), strict=True))
        table.add_row(
            str(run),
            format_count(float(rows["n_params_non_embedding"].iloc[0])),
            *(format_count(times[m]) if times[m] > 0 else "-" for m in ("copying", "false_copying", "translation")),
            str(rows["outcome"].iloc[-1]),
        )
    wrote = "" if simulation.path is None else f" Wrote {simulation.path}."
    return [table, Text(f"True takeoffs in tokens.{wrote}")]

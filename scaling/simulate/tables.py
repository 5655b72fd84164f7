"""The table of ``scaling simulate``."""

from __future__ import annotations

from rich.table import Table

from calque.data.command_line.command import console
from calque.data.quantities import format_count
from calque.scaling.simulate.simulate import Simulation


def print_simulation(simulation: Simulation) -> None:
    """Print the true takeoffs.

    Parameters
    ----------
    simulation : Simulation
        What is printed.
    """
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
    out.print(f"True takeoffs in tokens. Wrote {simulation.path}.", soft_wrap=True)

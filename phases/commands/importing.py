"""``phases import``: anyone's log to a cube."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phases.commands.common import check_output


def import_(
    file: Annotated[Path, typer.Argument(help="CSV file with a header.", metavar="FILE.csv")],
    tokens: Annotated[str, typer.Option("--tokens", help="Column of training tokens.", metavar="COL")],
    metric: Annotated[
        list[str], typer.Option("--metric", help="Column of a metric; repeatable.", metavar="COL")
    ],
    out: Annotated[Path, typer.Option("-o", "--output", help="Cube to write.", metavar="CUBE")],
    trials: Annotated[
        str | None,
        typer.Option("--trials", help="Column or number of trials behind each value: counts, or proportions of them.",
                     metavar="COL|N"),
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="Column that names the run.", metavar="COL")] = None,
) -> None:  # fmt: skip
    """Turn a CSV of metrics over training into a cube that 'phases detect' reads."""
    from data import cube as cubes
    from phases.importing import from_csv

    check_output(out)
    made = from_csv(file, tokens=tokens, metrics=tuple(metric), trials=trials, run=run)
    cubes.write(made, out)
    runs, points = made.sizes["run"], made.sizes["checkpoint"]
    print(f"{out}: {runs} run{'s' * (runs != 1)}, up to {points} checkpoints, {', '.join(metric)}")

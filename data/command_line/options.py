"""Options and arguments that several commands share, each declared once.

A command names the type and the default: ``seed: Seed = 0``. Arguments and files whose type differs between commands
are declarations alone: ``cube: Annotated[Path, CUBE]``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer


class ScaleName(StrEnum):
    """The axis on which shapes of growth are smooth."""

    log = "log"
    linear = "linear"


def json_input(command: str) -> Any:
    """Return the declaration of an option that takes what a command wrote with ``--json``."""
    return typer.Option(metavar="FILE", help=f"JSON of '{command} --json', shown beside the results.")


CUBE: Any = typer.Argument(metavar="CUBE", help="netCDF cube, such as results.nc.")
OUTPUT_CUBE: Any = typer.Option("--output", "-o", metavar="CUBE", help="netCDF cube to write.")

Json = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write JSON to FILE, or to standard output for '-'.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Random seed; the same seed gives the same numbers.")]
Level = Annotated[float, typer.Option("--level", help="Confidence level of intervals; tests are at 1 - level.")]
Boot = Annotated[int, typer.Option("--boot", metavar="N", help="Bootstrap replicates for each series (19 to 100000).")]
Rise = Annotated[
    float,
    typer.Option(
        "--rise", help="Takeoff is this far above the floor; for log-probabilities, this share of the whole rise."
    ),
]
Scale = Annotated[ScaleName, typer.Option("--scale", help="Axis of the shapes of growth: log or linear tokens.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, metavar="N", help="Processes; by default one for each usable core.")
]
Runs = Annotated[
    list[str] | None, typer.Option("--run", help="Run of the cube to use; repeatable.", show_default="all")
]
Metric = Annotated[
    str, typer.Option("--metric", help="Metric whose takeoff is used: translation, copying, or another of the cube.")
]
Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", help="Metric or variable of the cube; repeatable.", show_default="a standard set"),
]

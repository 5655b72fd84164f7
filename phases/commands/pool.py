"""``phases pool``: takeoffs and lags over pairs, languages, mixes, sizes and seeds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.output import check_output
from calque.phases.commands.common import progress
from calque.phases.commands.detect import ScaleName


class EstimandName(StrEnum):
    """What is pooled."""

    takeoff = "takeoff"
    lag = "lag"


class OverName(StrEnum):
    """What the jackknife takes apart."""

    pair = "pair"
    language = "language"


def pool(
    cube: Annotated[Path, typer.Argument(help="netCDF cube (results.nc).", metavar="CUBE")],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Metric split by source and target; repeatable.", show_default="translation"),
    ] = None,
    estimand: Annotated[
        list[EstimandName] | None,
        typer.Option(
            "--estimand",
            help="What to pool: takeoff, or lag (its ratio to copying and to false copying); repeatable.",
            show_default="takeoff",
        ),
    ] = None,
    over: Annotated[
        OverName,
        typer.Option(
            "--over",
            help="pair: pool the log times of directed pairs. language: locate the run again without each language, "
            "for pairs too thin to be located alone.",
        ),
    ] = OverName.pair,
    primary: Annotated[
        str,
        typer.Option(
            "--primary",
            help="The one test a size, declared before looking, as METRIC:ESTIMAND (delay, takeoff, lag) or "
            "FIRST>METRIC:lag. All others are secondary and adjusted.",
            metavar="METRIC:ESTIMAND",
        ),
    ] = "translation:delay",
    boot: Annotated[
        int, typer.Option("--boot", help="Bootstrap replicates a series (19 to 100000).", metavar="N")
    ] = 99,
    seed: Annotated[int, typer.Option("--seed", help="Seed; the same seed gives the same numbers.")] = 0,
    level: Annotated[float, typer.Option("--level", help="Coverage of the intervals; tests are at 1 - level.")] = 0.95,
    rise: Annotated[
        float,
        typer.Option("--rise", help="Takeoff: this far above the floor (a share of the rise for log-probabilities)."),
    ] = 0.05,
    scale: Annotated[
        ScaleName, typer.Option("--scale", help="Axis of the shapes of growth: log or linear tokens.")
    ] = ScaleName.log,
    jobs: Annotated[
        int | None, typer.Option("--jobs", help="Processes; one a core by default.", min=1, metavar="N")
    ] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", help="Write JSON to FILE, or to standard output for '-'.", metavar="FILE")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no table and no progress.")] = False,
) -> None:
    """Pool takeoffs and lags over pairs of languages, then over seeds, with one primary test a size.

    Intervals are delete-one-language jackknife t intervals, with crossed random effects as a second opinion; runs of
    one size and mix are replicates. Pairs without a takeoff are censored, not dropped. With fewer than 6 seeds it says
    what cannot be claimed.
    """
    from calque.phases.api.pool import pool as run_pool
    from calque.phases.processes import cores

    if json_file is not None and json_file != "-":
        check_output(Path(json_file))
    with progress(quiet) as shown:
        found = run_pool(
            cube, metric=metric or "translation", estimand=[e.value for e in estimand] if estimand else "takeoff",
            over=over.value, primary=primary, boot=boot, seed=seed, level=level, rise=rise,
            scale="linear" if scale is ScaleName.linear else "log", progress=shown, jobs=jobs or cores(),
        )  # fmt: skip
    if json_file is not None:
        found.to_json(json_file)
    if not quiet:
        found.show(stderr=json_file == "-")

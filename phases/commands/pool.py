"""``phases pool``: takeoffs and lags over pairs, languages, mixes, sizes and seeds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import CUBE, Boot, Jobs, Json, Level, Rise, Scale, ScaleName, Seed
from calque.data.command_line.output import check_json, emit_json
from calque.data.command_line.progress import progress
from calque.data.processes import cores


class EstimandName(StrEnum):
    """What is pooled."""

    takeoff = "takeoff"
    lag = "lag"


class OverName(StrEnum):
    """How a run is pooled: from its pairs, or from the whole run without each language."""

    pair = "pair"
    language = "language"
    seed = "seed"


def pool(
    cube: Annotated[Path, CUBE],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="Metric, repeatable; by default translation, or all of 'phases detect' where the cube lacks it.",
        ),
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
        OverName | None,
        typer.Option(
            "--over",
            help="pair: pool the log times of directed pairs. language: locate the run again without each language, "
            "for pairs too thin to be located alone. seed: runs as replicates, of any metric. By default pair, or seed "
            "for metrics without source and target.",
        ),
    ] = None,
    primary: Annotated[
        str | None,
        typer.Option(
            "--primary",
            help="The one test a size, declared before looking, as METRIC:ESTIMAND (delay, takeoff, lag) or "
            "FIRST>METRIC:lag; by default the delay of the first metric. All others are secondary and adjusted.",
            metavar="METRIC:ESTIMAND",
        ),
    ] = None,
    boot: Boot = 99,
    seed: Seed = 0,
    level: Level = 0.95,
    rise: Rise = 0.05,
    scale: Scale = ScaleName.log,
    jobs: Jobs = None,
    json_file: Json = None,
) -> None:
    """Pool takeoffs and lags over pairs of languages and over seeds, with one primary test a size.

    Intervals are delete-one-language jackknife t intervals, with crossed random effects as a second opinion; runs of
    one size and mix are replicates. Pairs without a takeoff are censored, not dropped. With fewer than 6 seeds it says
    what cannot be claimed.

    For example: phases pool results.nc --over language --metric copying --boot 199
    """
    from calque.phases.api.pool import pool as run_pool
    from calque.phases.noise.compiled import announce_compiling

    check_json(json_file)
    announce_compiling()
    with progress() as shown:
        found = run_pool(
            cube, metric=metric, estimand=[e.value for e in estimand] if estimand else "takeoff",
            over=None if over is None else over.value, primary=primary, boot=boot, seed=seed, level=level, rise=rise,
            scale="linear" if scale is ScaleName.linear else "log", progress=shown, jobs=jobs or cores(),
        )  # fmt: skip
    emit_json(json_file, found.to_dict())
    found.show(stderr=json_file == "-")

"""``phases acquisition``: which words come first, and what predicts it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import CUBE, Json, Level, Runs, Seed
from calque.data.command_line.output import check_json, emit_json
from calque.data.command_line.progress import progress


class MetricName(StrEnum):
    """Metrics that single items can acquire."""

    translation = "translation"
    translation_paired = "translation_paired"
    copying = "copying"
    false_copying = "false_copying"


class ItemsName(StrEnum):
    """Which items to take."""

    metric = "metric"
    all = "all"


def acquisition(
    cube: Annotated[Path, CUBE],
    metric: Annotated[
        MetricName, typer.Option("--metric", help="What an item acquires.")
    ] = MetricName.translation,
    covariates: Annotated[
        str | None,
        typer.Option(
            "--covariates",
            help="Names, commas between: variables of the cube over source, target and concept; source_NAME or "
            "target_NAME for one over language (source_share); source, target for a level each. Default: all it holds.",
            metavar="A,B,C",
        ),
    ] = None,
    items: Annotated[
        ItemsName,
        typer.Option("--items", help="metric: the items the metric is about. all: every word asked between two "
                     "languages, so that overlap and exposure can be covariates."),
    ] = ItemsName.metric,
    run: Runs = None,
    lasting: Annotated[
        int, typer.Option("--lasting", help="Hits in a row that make a hit lasting.", metavar="K")
    ] = 3,
    boot: Annotated[
        int,
        typer.Option(
            "--boot", help="Draws of concepts and languages for the intervals of what explains success.", metavar="N"
        ),
    ] = 199,
    seed: Seed = 0,
    level: Level = 0.95,
    json_file: Json = None,
) -> None:  # fmt: skip
    """Regress the tokens at which each item was acquired on its overlap, frequency, script, shares and the like.

    An item is acquired between its last miss and its first lasting hit; items never acquired are censored, not dropped.
    The model is an accelerated failure time in log tokens (Weibull, log-logistic or log-normal by AIC) with errors
    clustered by concept and by language, and explained variation divided among the predictors by Shapley values.
    Success, whether an item is acquired at all, is explained too, also for concepts and languages that are left out.

    For example: phases acquisition results.nc --metric copying
    """
    from calque.phases.api.acquisition import acquisition as run_acquisition

    check_json(json_file)
    with progress() as shown:
        found = run_acquisition(
            cube, metric=metric.value, covariates=covariates, items=items.value, run=run, lasting=lasting, boot=boot,
            seed=seed, level=level, progress=shown,
        )  # fmt: skip
    emit_json(json_file, found.to_dict())
    found.show(stderr=json_file == "-")

"""``phases acquisition``: which words come first, and what predicts it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import CUBE, Json, Level, Quiet, Runs
from calque.data.command_line.output import check_json, emit_json
from calque.data.errors import UserError


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
    level: Level = 0.95,
    json_file: Json = None,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Regress the tokens at which each item was acquired on its overlap, frequency, script, shares and the like.

    An item is acquired between its last miss and its first lasting hit; items never acquired are censored, not dropped.
    The model is an accelerated failure time in log tokens (Weibull, log-logistic or log-normal by AIC) with errors
    clustered by concept and by language, and explained variation divided among the predictors by Shapley values.
    """
    from calque.data import cube as cubes
    from calque.data.command_line.progress import progress
    from calque.phases.acquisition.regression import AcquisitionSettings
    from calque.phases.acquisition.regression import acquisition as run_acquisition

    names = None
    if covariates is not None:
        names = tuple(n.strip() for n in covariates.split(",") if n.strip())
        if not names:
            raise UserError("--covariates is empty; name some, or leave it out to take all that the cube holds")
    settings = AcquisitionSettings(
        metric=metric.value, covariates=names, runs=tuple(run) if run else None, lasting=lasting,
        every_item=items is ItemsName.all, level=level,
    )  # fmt: skip
    check_json(json_file)
    data = cubes.read(cube)
    with progress(quiet) as shown:
        report = run_acquisition(data, settings, progress=shown, name=str(cube))
    emit_json(json_file, report.to_dict())
    if not quiet:
        from calque.phases.acquisition.tables import print_acquisition

        print_acquisition(report, stderr=json_file == "-")

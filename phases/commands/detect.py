"""``phases detect``: the transitions of a cube."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import (
    CUBE,
    Boot,
    Jobs,
    Json,
    Level,
    Metrics,
    Rise,
    Scale,
    ScaleName,
    Seed,
    json_input,
)
from calque.data.command_line.output import check_json, check_output, emit_json
from calque.data.command_line.progress import progress
from calque.data.errors import UserError
from calque.data.processes import cores
from calque.phases.settings import FAMILIES

FAMILY_HELP = (
    f"Model: {', '.join(FAMILIES)}. dictionary (default): calibrated takeoff, delay, lags. The others are classical "
    "models, with their own assumptions (docs/CLASSICAL.md): kink, segmented regression (Muggeo, Davies); level, mean "
    "shifts (Bai-Perron); markov, two regimes of growth; logistic, gompertz, growth curves."
)


class AxisChoice(StrEnum):
    """What growth is asked about."""

    tokens = "tokens"
    steps = "steps"
    cumulative_lr = "cumulative_lr"


class LinkName(StrEnum):
    """The scale of a proportion on which a classical model is linear."""

    logit = "logit"
    identity = "identity"


def detect(
    cube: Annotated[Path, CUBE],
    metric: Metrics = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="How to split, commas between: pair, any property of runs (size, mix, seed), any dimension of metrics "
            "(source, target, language, layer). Runs are always apart; what is not split is averaged over.",
        ),
    ] = "run",
    boot: Boot = 999,
    seed: Seed = 0,
    level: Level = 0.95,
    rise: Rise = 0.05,
    scale: Scale = ScaleName.log,
    family: Annotated[str, typer.Option("--family", help=FAMILY_HELP, metavar="NAME")] = "dictionary",
    link: Annotated[
        LinkName,
        typer.Option(
            "--link",
            help="For kink, level and markov: scale of a proportion on which the model is linear. Log-probabilities "
            "and other scores stay as they are; dictionary, logistic and gompertz have no use for it.",
        ),
    ] = LinkName.logit,
    axis: Annotated[
        AxisChoice,
        typer.Option(
            "--axis",
            help="What growth is asked about: per token, per optimizer step, or per step at the peak learning rate.",
        ),
    ] = AxisChoice.tokens,
    schedule: Annotated[
        str | None,
        typer.Option(
            "--schedule",
            help="Where learning rate and batch change, to mark what begins there: "
            "decay@30B,batch@18B, or a CSV file (tokens, learning_rate, batch_tokens). Cubes of sweeps know "
            "their own.",
            metavar="FILE|CHANGES",
        ),
    ] = None,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity",
            help="Does the answer hold? Ask each series again with height, level, checkpoints, "
            "noise model or axis varied (some fifteen times as long).",
        ),
    ] = False,
    primary: Annotated[
        str | None,
        typer.Option(
            "--primary",
            help="Metric whose test of a delayed start is the one primary test of each run, declared before looking. "
            "All other tests are exploratory: outcomes follow adjusted p-values.",
            metavar="METRIC",
            show_default="the first --metric, else translation",
        ),
    ] = None,
    lags: Annotated[
        list[str] | None,
        typer.Option(
            "--lag",
            help="Two series A,B of a run whose lag is measured with one joint interval: metrics, or parts of runs as "
            "GROUP/METRIC; repeatable.",
            metavar="A,B",
            show_default="copying, false and nonce copying to translation",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a report with pictures, one file.", metavar="FILE")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Write the table of transitions with all its columns as CSV.", metavar="FILE"),
    ] = None,
    json_file: Json = None,
    forecast: Annotated[Path | None, json_input("scaling forecast CUBE")] = None,
    power: Annotated[Path | None, json_input("scaling power STUDY")] = None,
    loss: Annotated[Path | None, json_input("scaling loss CUBE")] = None,
    jobs: Jobs = None,
) -> None:
    """Find the transitions of a cube: takeoff, delayed start, onset, peak, crossover, and lags within each run.

    With --html, the results of --forecast, --power and --loss are part of the report.

    For example: phases detect results.nc --metric copying --html report.html --json detect.json
    """
    files = {"forecast": forecast, "power": power, "loss": loss}
    given = [kind for kind, path in files.items() if path is not None]
    if given and html is None:
        raise UserError(f"--{given[0]} is shown in the report: give --html FILE too")
    if given and family != "dictionary":
        raise UserError(f"--{given[0]} is shown with the takeoffs of the dictionary alone: leave it out, or --family")
    from calque.phases.api.detect import detect as run_detect
    from calque.phases.json_files import read_json
    from calque.phases.noise.compiled import announce_compiling

    check_json(json_file)
    for written in (html, csv):
        if written is not None:
            check_output(written)
    beside = {kind: read_json(kind, path) for kind, path in files.items() if path is not None}
    announce_compiling()
    with progress() as shown:
        found = run_detect(
            cube, metric=metric, by=by, boot=boot, seed=seed, level=level, rise=rise,
            scale="linear" if scale is ScaleName.linear else "log", family=family,
            link="identity" if link is LinkName.identity else "logit",
            axis=axis.value, schedule=schedule, sensitivity=sensitivity, primary=primary,
            lags=[pair.split(",") for pair in lags] if lags else None, progress=shown, jobs=jobs or cores(),
        )  # fmt: skip
    emit_json(json_file, found.to_dict())
    if html is not None:
        found.to_html(html, **beside)
    if csv is not None:
        found.to_csv(csv)
    found.show(stderr=json_file == "-")
    if html is not None:
        print(f"report: {html}", file=sys.stderr if json_file == "-" else sys.stdout)

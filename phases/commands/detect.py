"""``phases detect``: the transitions of a cube."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.output import check_output
from calque.data.errors import UserError
from calque.phases.commands.common import progress
from calque.phases.families import FAMILIES

FAMILY_HELP = (
    f"Model: {', '.join(FAMILIES)}. dictionary (default): calibrated takeoff, delay, lags. The others are classical "
    "models, with their own assumptions (docs/CLASSICAL.md): kink, segmented regression (Muggeo, Davies); level, mean "
    "shifts (Bai-Perron); markov, two regimes of growth; logistic, gompertz, growth curves."
)


class ScaleName(StrEnum):
    """The axis that shapes of growth live on."""

    log = "log"
    linear = "linear"


class LinkName(StrEnum):
    """The scale of a proportion on which a classical model is linear."""

    logit = "logit"
    identity = "identity"


def detect(
    cube: Annotated[Path, typer.Argument(help="netCDF cube (results.nc).", metavar="CUBE")],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Metric or cube variable to analyse; repeatable. Default: the standard set."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="How to split, commas between: run, size, mix, source, target, pair. Runs are always apart.",
        ),
    ] = "run",
    boot: Annotated[
        int, typer.Option("--boot", help="Bootstrap replicates a series (19 to 100000).", metavar="N")
    ] = 999,
    seed: Annotated[int, typer.Option("--seed", help="Seed; the same seed gives the same numbers.")] = 0,
    level: Annotated[float, typer.Option("--level", help="Coverage of the intervals; tests are at 1 - level.")] = 0.95,
    rise: Annotated[
        float,
        typer.Option("--rise", help="Takeoff: this far above the floor (a share of the rise for log-probabilities)."),
    ] = 0.05,
    scale: Annotated[ScaleName, typer.Option("--scale", help="Axis of growth: log or linear tokens.")] = ScaleName.log,
    family: Annotated[str, typer.Option("--family", help=FAMILY_HELP, metavar="NAME")] = "dictionary",
    link: Annotated[
        LinkName,
        typer.Option(
            "--link",
            help="For kink, level and markov: scale of a proportion on which the model is linear. Log-probabilities "
            "and other scores stay as they are; dictionary, logistic and gompertz have no use for it.",
        ),
    ] = LinkName.logit,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a report with pictures, one file.", metavar="FILE")
    ] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", help="Write JSON to FILE, or to standard output for '-'.", metavar="FILE")
    ] = None,
    forecast: Annotated[
        Path | None,
        typer.Option("--forecast", help="JSON of 'scaling forecast --json' to show in the report.", metavar="FILE"),
    ] = None,
    power: Annotated[
        Path | None,
        typer.Option("--power", help="JSON of 'scaling power --json' to show in the report.", metavar="FILE"),
    ] = None,
    loss: Annotated[
        Path | None,
        typer.Option("--loss", help="JSON of 'scaling loss --json' to show in the report.", metavar="FILE"),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", help="Processes; one a core by default.", min=1, metavar="N")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no table and no progress.")] = False,
) -> None:
    """Find the transitions of a cube: takeoff, delayed start, onset, peak, crossover, and lags within each run."""
    files = {"forecast": forecast, "power": power, "loss": loss}
    given = [kind for kind, path in files.items() if path is not None]
    if given and html is None:
        raise UserError(f"--{given[0]} is shown in the report: give --html FILE too")
    if given and family != "dictionary":
        raise UserError(f"--{given[0]} stands beside the dictionary's takeoffs: leave it out, or --family")
    from calque.phases.api.detect import detect as run_detect
    from calque.phases.json_files import read_json
    from calque.phases.processes import cores

    beside = {kind: read_json(kind, path) for kind, path in files.items() if path is not None}
    with progress(quiet) as shown:
        found = run_detect(
            cube, metric=metric, by=by, boot=boot, seed=seed, level=level, rise=rise,
            scale="linear" if scale is ScaleName.linear else "log", family=family,
            link="identity" if link is LinkName.identity else "logit", progress=shown, jobs=jobs or cores(),
        )  # fmt: skip
    if json_file is not None:
        if json_file != "-":
            check_output(Path(json_file))
        found.to_json(json_file)
    if html is not None:
        found.to_html(html, **beside)
    if not quiet:
        found.show(stderr=json_file == "-")
        if html is not None:
            print(f"report: {html}", file=sys.stderr if json_file == "-" else sys.stdout)

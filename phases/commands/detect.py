"""``phases detect``: the transitions of a cube."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calque.data.command_line.output import check_json, check_output, emit_json
from calque.data.errors import UserError
from calque.data.processes import cores
from calque.phases.settings import FAMILIES

if TYPE_CHECKING:
    import xarray as xr

    from calque.phases.results import DetectionReport


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
    from calque.data import cube as cubes
    from calque.data.command_line.progress import progress
    from calque.phases.detection.detect import detect as run_detect
    from calque.phases.json_files import read_json
    from calque.phases.settings import Settings

    settings = Settings(
        metrics=tuple(metric) if metric else None, by=splits(by), boot=boot, seed=seed, level=level, rise=rise,
        scale="linear" if scale is ScaleName.linear else "log", family=family,
        link="identity" if link is LinkName.identity else "logit",
    )  # fmt: skip
    beside = {kind: read_json(kind, path) for kind, path in files.items() if path is not None}
    check_json(json_file)
    if html is not None:
        check_output(html)
    data = cubes.read(cube)
    with progress(quiet) as shown:
        report = run_detect(data, settings, progress=shown, name=str(cube), jobs=jobs or cores())
    emit_json(json_file, report.to_dict())
    if html is not None:
        _write_html(report, data, html, beside)
    if not quiet:
        _print(report, stderr=json_file == "-")
        if html is not None:
            print(f"report: {html}", file=sys.stderr if json_file == "-" else sys.stdout)


def splits(by: str) -> tuple[str, ...]:
    """Return the names in a comma-separated ``--by``."""
    names = tuple(name.strip() for name in by.split(",") if name.strip())
    if not names:
        raise UserError("--by is empty; expected some of run, size, mix, source, target, pair")
    return names


def _print(report: DetectionReport, *, stderr: bool) -> None:
    if report.settings["family"] == "dictionary":
        from calque.phases.report.tables import print_report
    else:
        from calque.phases.report.classical import print_report
    print_report(report, stderr=stderr)


def _write_html(report: DetectionReport, data: xr.Dataset, path: Path, beside: dict[str, dict[str, Any]]) -> None:
    if report.settings["family"] == "dictionary":
        from calque.phases.report.html import write_report

        write_report(report, data, path, **beside)
    else:
        from calque.phases.report.classical import write_report as write_classical

        write_classical(report, path)

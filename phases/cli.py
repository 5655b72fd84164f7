"""The command line ``phases``: detect transitions in a cube, and turn anyone's log into a cube."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UserError, guard, nearest

if TYPE_CHECKING:
    from phases.results import DetectionReport

FAMILIES = ("dictionary",)
app = typer.Typer(
    name="phases",
    help="When did a capability begin in training? Takeoffs, delays and lags with calibrated intervals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class ScaleName(StrEnum):
    """The axis that shapes of growth live on."""

    log = "log"
    linear = "linear"


@app.callback()
def phases() -> None:
    """When did a capability begin in training? Takeoffs, delays and lags with calibrated intervals."""


@app.command()
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
    ] = 199,
    seed: Annotated[int, typer.Option("--seed", help="Seed; the same seed gives the same numbers.")] = 0,
    level: Annotated[float, typer.Option("--level", help="Coverage of the intervals; tests are at 1 - level.")] = 0.95,
    rise: Annotated[
        float,
        typer.Option("--rise", help="Takeoff: this far above the floor (a share of the rise for log-probabilities)."),
    ] = 0.05,
    scale: Annotated[
        ScaleName, typer.Option("--scale", help="Axis of the shapes of growth: log or linear tokens.")
    ] = ScaleName.log,
    family: Annotated[
        str, typer.Option("--family", help="Models of growth; 'dictionary' is the one there is.")
    ] = "dictionary",
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no table and no progress.")] = False,
) -> None:
    """Find the transitions of a cube: takeoff, delayed start, onset, peak, crossover, and lags within each run."""
    if family not in FAMILIES:
        raise UserError(f"--family {family}: this version has {', '.join(FAMILIES)} only" + nearest(family, FAMILIES))
    if forecast is not None and html is None:
        raise UserError("--forecast is shown in the report: give --html FILE too")
    one_thread()
    from data import cube as cubes
    from phases.detect import Settings
    from phases.detect import detect as run_detect

    settings = Settings(
        metrics=tuple(metric) if metric else None, by=splits(by), boot=boot, seed=seed, level=level, rise=rise,
        scale="linear" if scale is ScaleName.linear else "log",
    )  # fmt: skip
    prediction = None if forecast is None else _forecast(forecast)
    data = cubes.read(cube)
    if quiet or not sys.stderr.isatty():
        report = run_detect(data, settings, name=str(cube))
    else:
        with Bar() as bar:
            report = run_detect(data, settings, progress=bar, name=str(cube))
    if json_file is not None:
        _write_json(report, json_file)
    if html is not None:
        from phases.report import write_report

        write_report(report, data, html, forecast=prediction)
    if not quiet:
        from phases.tables import print_report

        print_report(report, stderr=json_file == "-")
        if html is not None:
            print(f"report: {html}", file=sys.stderr if json_file == "-" else sys.stdout)


def one_thread() -> None:
    """Keep linear algebra to one thread, unless told otherwise: matrices this small only lose by sharing cores."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def splits(by: str) -> tuple[str, ...]:
    """Return the names in a comma-separated ``--by``."""
    names = tuple(name.strip() for name in by.split(",") if name.strip())
    if not names:
        raise UserError("--by is empty; expected some of run, size, mix, source, target, pair")
    return names


def _write_json(report: DetectionReport, path: str) -> None:
    if path != "-":
        _folder(Path(path))
    report.to_json(path)


def _folder(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise UserError(f"cannot write {path}: its folder does not exist; make it or choose another")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")


def _forecast(path: Path) -> dict[str, Any]:
    import json

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"--forecast {path}: {error.strerror}; expected the file of 'scaling forecast --json'"
        ) from error
    except ValueError as error:
        raise UserError(f"--forecast {path} is no JSON ({error}); write it with 'scaling forecast --json'") from error
    if not isinstance(found, dict) or found.get("schema") != 1:
        raise UserError(f"--forecast {path}: expected an object with schema 1, as 'scaling forecast --json' writes")
    return found


class Bar:
    """A progress bar on standard error."""

    def __enter__(self) -> Bar:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self.progress.start()
        self.task = self.progress.add_task("series", total=None)
        return self

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show that ``done`` of ``total`` series are finished and ``what`` comes next."""
        self.progress.update(self.task, completed=done, total=total, description=what)

    def __exit__(self, *_: object) -> None:
        self.progress.stop()


@app.command("import")
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

    _folder(out)
    made = from_csv(file, tokens=tokens, metrics=tuple(metric), trials=trials, run=run)
    cubes.write(made, out)
    runs, points = made.sizes["run"], made.sizes["checkpoint"]
    print(f"{out}: {runs} run{'s' * (runs != 1)}, up to {points} checkpoints, {', '.join(metric)}")


def main() -> None:
    """Run the command line; mistakes of the user become one line and exit code 2."""
    guard("phases", app)


if __name__ == "__main__":
    main()

"""Anyone's log to a cube: the function behind ``phases import``."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from calque.data.arguments import checked
from calque.data.command_line.naming import named
from calque.data.cube.variable_checks import as_number
from calque.data.errors import UserError
from calque.data.quantities import format_count, plural
from calque.data.result import Result, Rows, check_backend
from calque.phases.api.arguments import several
from calque.phases.formats.base import Request, brief
from calque.phases.formats.importing import import_log as read_log
from calque.phases.series.names import WRITTEN

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN_NOTES = 10
SHOWN_RUNS = 40
RUN_COLUMNS = ("run", "checkpoints", "first_tokens", "last_tokens")
UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ImportedLog(Result):
    """A log as a cube; every function that takes a cube takes this result.

    Attributes
    ----------
    cube : xarray.Dataset
        Schema 1: tokens and metrics over (run, checkpoint).
    source : str
        The log's path.
    format : str
        What it was read as.
    guessed : bool
        Whether the format was guessed from the path.
    notes : tuple of str
        What was left out, merged or supposed.
    """

    cube: xr.Dataset
    source: str
    format: str
    guessed: bool
    notes: tuple[str, ...]

    def metrics(self) -> list[str]:
        """Return the names that the metrics have in the cube."""
        return [str(n) for n, v in self.cube.data_vars.items() if "metric_kind" in v.attrs]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``phases import --json`` writes, but for the cube's path."""
        variables = {name: self.cube[name].attrs for name in self.metrics()}
        return {
            "schema": 1, "cube": None, "format": self.format, "guessed": self.guessed,
            "runs": self._runs(),
            "metrics": [
                {"metric": attrs.get(WRITTEN, name), "variable": name, "metric_kind": attrs["metric_kind"],
                 "trials": attrs.get("trials")}
                for name, attrs in variables.items()
            ],
            "notes": list(self.notes),
        }  # fmt: skip

    def _runs(self) -> list[dict[str, Any]]:
        """Return name, checkpoints, range in tokens and coordinates of every run."""
        names = [str(n) for n, c in self.cube.coords.items() if c.dims == ("run",) and n != "run"]
        coordinates = {name: self.cube[name].values.tolist() for name in names}
        tokens = self.cube["tokens"].transpose("run", "checkpoint").values
        return [
            {"run": str(run), "checkpoints": int(np.isfinite(tokens[i]).sum()), "first_tokens": float(tokens[i][0]),
             "last_tokens": float(np.nanmax(tokens[i])), **{name: coordinates[name][i] for name in names}}
            for i, run in enumerate(self.cube["run"].values)
        ]  # fmt: skip

    def tables(self) -> dict[str, Rows]:
        """Return ``values`` (a row a checkpoint), ``runs`` and ``metrics``."""
        found = self.to_dict()
        names = ["tokens", *(["step"] if "step" in self.cube else []), *self.metrics()]
        grid = {name: self.cube[name].transpose("run", "checkpoint").values for name in names}
        values = [
            {"run": str(run), "checkpoint": k, **{name: float(grid[name][i, k]) for name in names}}
            for i, run in enumerate(self.cube["run"].values)
            for k in range(self.cube.sizes["checkpoint"])
            if grid["tokens"][i, k] == grid["tokens"][i, k]
        ]
        return {
            "values": Rows(values, ("run", "checkpoint")),
            "runs": Rows(found["runs"], ("run",)),
            "metrics": Rows(found["metrics"], ("metric",)),
        }

    def to_xarray(self) -> xr.Dataset:
        """Return the cube."""
        return self.cube

    def renderables(self) -> Sequence[RenderableType]:
        """Return what was read, the notes, and what the cube holds."""
        from rich.markup import escape
        from rich.table import Table
        from rich.text import Text

        lines = [f"{self.source}: read as {self.format} ({'guessed' if self.guessed else 'as given'})"]
        lines += [f"  note: {note}" for note in named(self.notes[:SHOWN_NOTES])]
        if len(self.notes) > SHOWN_NOTES:
            more = len(self.notes) - SHOWN_NOTES
            lines.append(f"  and {plural(more, 'more note')}, in the cube's attribute import_notes")
        runs, points = self.cube.sizes["run"], self.cube.sizes["checkpoint"]
        written = [metric["metric"] for metric in self.to_dict()["metrics"]]
        lines.append(f"{plural(runs, 'run')}, up to {plural(points, 'checkpoint')}, {', '.join(written)}")
        rows = self._runs()
        names = [name for name in rows[0] if name not in RUN_COLUMNS]
        table = Table("run", "checkpoints", "from", "to", *(escape(name) for name in names))
        for row in rows[:SHOWN_RUNS]:
            ends = (format_count(row["first_tokens"]), format_count(row["last_tokens"]))
            table.add_row(
                escape(row["run"]), str(row["checkpoints"]), *ends, *(escape(str(row[name])) for name in names)
            )
        rest = len(rows) - SHOWN_RUNS
        return [*map(Text, lines), table, *([Text(f"and {plural(rest, 'more run')}, in the JSON")] if rest > 0 else [])]

    def plot(self, metric: str | None = None, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw one metric over tokens, a line a run.

        Parameters
        ----------
        metric : str, optional
            A metric of the cube; the first when None.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.Overlay
        """
        check_backend(backend)
        return self.cube.calque.plot(metric or self.metrics()[0], ax=ax, backend=backend)


@checked
def import_log(
    path: str | os.PathLike[str], *, metric: str | Sequence[str], tokens: str | None = None,
    tokens_per_step: float | str | None = None, trials: str | float | None = None, run: str | None = None,
    format: str | None = None, checkpoint: str | re.Pattern[str] | None = None,
    continuous: str | Sequence[str] | None = None, percent: str | Sequence[str] | None = None, every: int = 1,
    shots: int | None = None, join: bool = False, unsorted: bool = False,
    coord: str | Sequence[str] | Mapping[str, str] | None = None, run_pattern: str | None = None,
) -> ImportedLog:  # fmt: skip
    """Turn a log of metrics over training into a cube.

    Parameters
    ----------
    path : path
        CSV, Parquet, TensorBoard, W&B, lm-evaluation-harness or the state of a Trainer: a file, or the folder its
        tool wrote.
    metric : str or sequence of str
        Columns, tags or ``task/metric``, as the tool calls them.
    tokens : str, optional
        Column or tag of training tokens; the tool's own step when None.
    tokens_per_step : float or str, optional
        Turns steps into tokens: a number, or text such as ``2M``; 1 keeps steps as the axis.
    trials : str or number, optional
        Column or number of trials behind each value.
    run : str, optional
        Column that names the run.
    format : str, optional
        csv, parquet, tensorboard, wandb, lm-eval or trainer; guessed from the path when None.
    checkpoint : str or pattern, optional
        lm-eval: regular expression with a group ``step`` or ``tokens`` (and ``run``) that finds the position.
    continuous : str or sequence of str, optional
        Metrics that are no proportions, even between 0 and 1.
    percent : str or sequence of str, optional
        Metrics in percent, which become proportions.
    every : int
        Keep every N-th checkpoint of each run.
    shots : int, optional
        lm-eval: only results with this number of shots; without it, a model asked with several is several runs.
    join : bool
        Runs whose names differ only in a number at their end (``version_0``, ``version_1``) are one training that was
        resumed; wherever positions fall, what follows replaces all from there on.
    unsorted : bool
        The order of rows means nothing: sort them by position.
    coord : mapping, or str or sequence of str, optional
        Columns that hold one value a run, as coordinates: ``{"size": "model_size"}`` or ``"size=model_size"``.
    run_pattern : str, optional
        Coordinates from the runs' names, such as ``"{size}-{mix}-s{seed}"``; ``{}`` stands for anything.

    Returns
    -------
    ImportedLog
        With the cube, and notes on what was left out, merged or supposed.

    Raises
    ------
    UserError
        When the log cannot be read without guessing.

    Examples
    --------
    >>> import calque
    >>> log = calque.import_log("docs/examples/log.csv", metric="accuracy", tokens="tokens", trials=125)
    >>> log.cube["accuracy"].sizes["checkpoint"]
    40
    >>> calque.edit(log, coord={"mix": "uniform"}).cube["mix"].values.tolist()
    ['uniform']
    >>> [t.outcome.value for t in calque.detect(log, boot=19).transitions if t.estimand == "takeoff"]
    ['found']
    """
    if every < 1:
        raise UserError(f"`every` is {every}; expected 1 or more")
    if join and unsorted:
        raise UserError("`join` says that rows stand in the order of the training and `unsorted` that not; give one")
    number = as_number(trials)
    if number is not None and not 0 < number < math.inf:
        raise UserError(f"`trials` is {trials}; expected a number above 0, or a column")
    request = Request(
        path=Path(path), metrics=several(metric) or (), tokens=tokens, tokens_per_step=_amount(tokens_per_step),
        trials=None if trials is None else str(trials), run=run, checkpoint=_pattern(checkpoint), shots=shots,
        join=join, unsorted=unsorted, coord=_columns(coord),
    )  # fmt: skip
    if not request.metrics:
        raise UserError("`metric` is empty; name at least one column, tag or task/metric of the log")
    made = read_log(request, format, several(continuous, "continuous") or (), every, several(percent, "percent") or (),
                    run_pattern)  # fmt: skip
    return ImportedLog(
        cube=made.cube, source=str(path), format=made.format, guessed=made.guessed,
        notes=made.notes,
    )  # fmt: skip


def _columns(given: str | Sequence[str] | Mapping[str, str] | None) -> dict[str, str]:
    """Return columns by the names of the coordinates that they become."""
    if isinstance(given, Mapping):
        return {str(name): str(column) for name, column in given.items()}
    out: dict[str, str] = {}
    for word in several(given, "coord") or ():
        name, _, column = word.partition("=")
        if not name or not column or name in out:
            raise UserError(f"`coord` is '{word}'; expected NAME=COLUMN, every name once, such as size=model_size")
        out[name] = column
    return out


def _pattern(given: str | re.Pattern[str] | None) -> re.Pattern[str] | None:
    if given is None:
        return None
    try:
        pattern = re.compile(given)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(f"`checkpoint` is '{brief(str(given))}': {error}; expected a regular expression") from error
    if not {"step", "tokens"} & set(pattern.groupindex):
        raise UserError(
            f"`checkpoint` is '{brief(pattern.pattern)}'; expected a group named step or "
            "tokens, such as 'step(?P<step>[0-9]+)'"
        )
    return pattern


def _amount(given: float | str | None) -> float | None:
    if given is None:
        return None
    match = re.fullmatch(r"(\d[\d_]*(?:\.\d+)?(?:e\+?\d+)?)([kmbt]?)", str(given).strip(), re.IGNORECASE)
    value = float(match.group(1).replace("_", "")) * UNITS[match.group(2).lower()] if match else 0.0
    if not 0 < value < float("inf"):
        raise UserError(f"`tokens_per_step` is '{given}'; expected a positive number such as 2097152 or 2M")
    return value

"""The data of the pages: one cube, and the JSON reports of other commands about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from calque.data import cube as cubes
from calque.data.answers import answers_path
from calque.data.cube.beside import CUBE, read_beside
from calque.data.errors import UserError
from calque.data.metrics import METRICS
from calque.data.quantities import plural
from calque.phases.explore.answers import Answers
from calque.phases.explore.elements import labelled, shown
from calque.phases.explore.items import MEBIBYTE, Items
from calque.phases.explore.kept import Kept
from calque.phases.explore.located import Located
from calque.phases.explore.series import ScoreLine, metrics_of, parts_of, series_of
from calque.phases.series.names import by_written_names

CONDITIONS = ("cube", "size", "mix", "corpus", "template")
LARGE = 96 * MEBIBYTE
"""Bytes above which a variable stays in the file."""
PARTS = ("components", "ablations", "attribution")
"""Groups with scores of a model's parts, and of what its training text did to them."""
LOGS = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
NUMBERS = ("n_params", "n_params_non_embedding", "init_seed", "data_seed", "seed")


@dataclass(frozen=True, eq=False)
class Study:
    """One cube with all data that the pages show.

    Attributes
    ----------
    cube : xarray.Dataset
        A validated cube.
    name : str
        Title of the pages.
    items, located : Items, Located
        Item metrics and known transitions of the cube.
    runs : DataFrame
        One row a run: see :func:`run_table`.
    timing : Dataset or None
        The cube's group of that name.
    files : dict
        Content of the JSON files given, by option: forecast, power, loss, mixes, plan.
    answers : Answers or None
        What the models said, where it was kept.
    parts : dict of str to Dataset
        The groups of :data:`PARTS`, as far as the cube has them.

    What is computed of it is shared by all sessions.
    """

    cube: xr.Dataset
    name: str
    items: Items
    located: Located
    runs: pd.DataFrame
    timing: xr.Dataset | None
    files: dict[str, dict[str, Any]]
    answers: Answers | None = None
    parts: dict[str, xr.Dataset] = field(default_factory=dict)

    @cached_property
    def metrics(self) -> list[str]:
        """Every metric that can be drawn."""
        return metrics_of(self.cube, self.items)

    def shown(self, metric: str) -> str:
        """Return what is shown of the name of a ``metric``: one that is not ours stands as its tool wrote it."""
        return shown(metric) if metric in METRICS else metric

    def named(self, metrics: Sequence[str]) -> dict[str, str]:
        """Return ``metrics`` by what is shown of them, for a menu."""
        return labelled(metrics, self.shown)

    @cached_property
    def splits(self) -> list[str]:
        """Every way to split a run."""
        return parts_of(self.cube, self.items)

    def position(self, run: str) -> int:
        """Return the position of ``run`` along the cube's dimension run."""
        return self._positions[run]

    def lines(self, run: str, metric: str, split: str, part: str | None = None) -> tuple[ScoreLine, ...]:
        """Return the lines of one metric of one run; none where the metric cannot be split in this way.

        Parameters
        ----------
        run, metric : str
            Names.
        split : str
            One of :attr:`splits`.
        part : str, optional
            This part alone.
        """
        at = self.position(run)
        key = (at, metric, split, part)
        return self._lines.get(key, lambda: tuple(series_of(self.cube, self.items, at, metric, split, part)))

    def many_lines(
        self, runs: Sequence[str], metrics: Sequence[str], split: str, most: int
    ) -> tuple[list[ScoreLine], int]:
        """Return the lines of whole runs, until there are enough, and of how many runs they are.

        Parameters
        ----------
        runs, metrics : sequence of str
            Names.
        split : str
            One of :attr:`splits`.
        most : int
            Largest number of lines.

        Returns
        -------
        lines : list of ScoreLine
            By metric, then by run; never more than ``most``.
        read : int
            The lines are of the first so many of ``runs``.
        """
        found: list[list[ScoreLine]] = []
        count, some = 0, runs[:1]
        while some and count < most:
            # metric by metric: a file may keep a variable of several runs together
            lines = {(metric, run): self.lines(run, metric, split) for metric in metrics for run in some}
            found += [[line for metric in metrics for line in lines[metric, run]] for run in some]
            count = sum(map(len, found))
            wanted = math.ceil((most - count) * len(found) / max(1, count))
            some = runs[len(found) :][: min(max(1, wanted), self.items.together)]
        fit = int(np.searchsorted(np.cumsum([len(one) for one in found]), most, side="right"))
        read = max(1, fit)  # of a single run with more lines, the first ones
        kept = [line for one in found[:read] for line in one][:most]
        return sorted(kept, key=lambda line: metrics.index(line.metric)), min(read, len(runs))

    @cached_property
    def _lines(self) -> Kept[tuple[ScoreLine, ...]]:
        return Kept(128 * MEBIBYTE, lambda lines: sum(4 * line.value.nbytes + 500 for line in lines))

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {run: i for i, run in enumerate(self.runs["run"])}

    def tokens(self, run: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the positions (checkpoint,) of ``run`` in tokens; NaN at the end of a ragged run."""
        return np.asarray(self.cube["tokens"].isel(run=self.position(run)).transpose("checkpoint"), float)

    def condition(self, run: str) -> str:
        """Return the condition of ``run``: the coordinates that it shares with the other seeds, as text."""
        return str(self.runs["condition"].iloc[self.position(run)])


def read_study(path: Path, files: dict[str, dict[str, Any]], beside: Sequence[Path] = ()) -> Study:
    """Read a cube, and join it with the reports about it.

    Parameters
    ----------
    path : Path
        netCDF cube.
    files : dict
        Content of JSON reports by option, ``detect`` among them.
    beside : sequence of Path
        Further cubes, whose runs stand beside those of the first.

    Raises
    ------
    UserError
        When the cube cannot be read or holds nothing to draw.
    """
    for one in (path, *beside):
        _refuse_others(one)
    rest = {kind: content for kind, content in files.items() if kind != "detect"}
    kept = answers_path(path)
    answers = Answers(kept) if kept.is_file() else None
    if beside:
        cube, groups = read_beside((path, *beside), ("timing", *PARTS))
        name = " and ".join(dict.fromkeys(str(label) for label in cube[CUBE].values))
        return make_study(
            cube, name, files.get("detect"), groups.get("timing"), rest, answers,
            {part: groups[part] for part in PARTS if part in groups},
        )  # fmt: skip
    cube, timing = cubes.read_with(path, "timing", large=LARGE)
    parts = {name: cubes.read(path, name) for name in PARTS if cubes.has_group(path, name)}
    return make_study(cube, path.name, files.get("detect"), timing, rest, answers, parts)


def _refuse_others(path: Path) -> None:
    """Say what to do with a folder of results, and with a log, which people give in place of a cube."""
    if path.is_dir():
        inside = sorted(path.glob("*.nc"))
        known = (
            f"its cube is {inside[0]}"
            if len(inside) == 1
            else f"expected one of its {plural(len(inside), 'file')} *.nc"
        )
        if inside:
            raise UserError(f"{path} is a folder; {known}")
    elif path.suffix.lower() in LOGS and path.is_file():
        raise UserError(f"{path} is no cube but, by its name, a log: make a cube of it with 'phases import' first")


def make_study(
    cube: xr.Dataset, name: str, detected: dict[str, Any] | None = None, timing: xr.Dataset | None = None,
    files: dict[str, dict[str, Any]] | None = None, answers: Answers | None = None,
    parts: dict[str, xr.Dataset] | None = None,
) -> Study:  # fmt: skip
    """Return the study of a cube.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    name : str
        Title of the pages.
    detected : dict, optional
        JSON of ``phases detect``.
    timing : xarray.Dataset, optional
        The cube's group of that name.
    files : dict, optional
        Content of the other JSON reports by option.
    answers : Answers, optional
        What the models said.
    parts : dict, optional
        Groups of the cube with scores of a model's parts, by name.

    Raises
    ------
    UserError
        When the cube holds no metric, or ``detected`` is of another cube.
    """
    cube = by_written_names(cube)
    items = Items(cube)
    if not metrics_of(cube, items):
        known = ", ".join(map(str, cube.data_vars))
        raise UserError(f"{name} holds no metric over run and checkpoint (it has {known}); there is nothing to draw")
    return Study(
        cube=cube, name=name, items=items, located=Located(cube, items, detected), runs=run_table(cube), timing=timing,
        files=files or {}, answers=answers, parts=parts or {},
    )  # fmt: skip


def run_table(cube: xr.Dataset) -> pd.DataFrame:
    """Return a table with one row a run: coordinates, checkpoints, last tokens, condition and ladder.

    The condition is the size and those of mix, corpus and template that vary; without any of them, the run itself.
    Runs of one condition differ in their seeds alone, runs of one ladder in size and seed alone.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    """
    tokens = np.asarray(cube["tokens"].transpose("run", "checkpoint"), float)
    table = pd.DataFrame({"run": [str(run) for run in cube["run"].values]})
    for name in (*CONDITIONS, *NUMBERS, "run_id"):
        if name in cube.variables and cube[name].dims == ("run",):
            table[name] = cube[name].values if name in NUMBERS else cube[name].values.astype(str)
    table["checkpoints"] = np.isfinite(tokens).sum(1)
    table["tokens"] = np.nanmax(tokens, axis=1)
    named = [name for name in CONDITIONS if name in table]
    varying = [name for name in named if name == "size" or table[name].nunique() > 1]
    table["condition"] = table[varying].agg(", ".join, axis=1) if varying else table["run"]
    apart = [name for name in varying if name != "size"]
    table["ladder"] = table[apart].agg(", ".join, axis=1) if apart else "all runs"
    if "checkpoint_flags" in cube.variables:
        flags = np.asarray(cube["checkpoint_flags"].transpose("run", "checkpoint"))
        table["doubtful_checkpoints"] = (flags.astype(float) > 0).sum(1)
    return table

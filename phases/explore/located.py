"""The known transitions of a cube: those in the JSON of ``phases detect``, and those located on demand."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr

from calque.data.errors import UserError
from calque.data.metrics import METRICS
from calque.data.processes import cores
from calque.phases.detection.detect import WORTH_SPREADING
from calque.phases.detection.group import GroupResult, judge_group
from calque.phases.detection.repeated import by_key, decided_rows
from calque.phases.explore.elements import shown
from calque.phases.explore.items import Items
from calque.phases.explore.series import PAIR, WHOLE, pair_label
from calque.phases.processes import Progress, spread
from calque.phases.results import Curve, Outcome, Transition
from calque.phases.schedules.reading import schedules_of, with_changes
from calque.phases.series.metrics import trajectories
from calque.phases.series.prepared import prepared
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from calque.phases.stats.many_tests import primary_metric

SPLITS = (WHOLE, "source", "target", PAIR)
"""Parts of runs whose transitions can be located, as by ``phases detect --by``."""
MOST = 300
BOOT = 199
Key = tuple[str, str, str, str]
"""Run, split, part, metric."""


class Located:
    """Transitions by series.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    items : Items
        Items of the same cube.
    report : dict, optional
        JSON of ``phases detect``; its settings are also used for transitions located on demand.

    Raises
    ------
    UserError
        When the report holds rows of another shape, or of no run of this cube.
    """

    def __init__(self, cube: xr.Dataset, items: Items, report: dict[str, Any] | None = None) -> None:
        self.cube, self.items = cube, items
        self.rows: dict[Key, dict[str, Transition]] = {}
        self.fits: dict[Key, Curve] = {}
        """Fitted curves of the series that were located here."""
        self.stopped = threading.Event()
        """Set to stop locating after the present group."""
        given = (report or {}).get("settings") or {}
        kept = ("level", "rise", "scale", "seed", "primary")
        self.settings = Settings(boot=BOOT, **{k: given[k] for k in kept if k in given})
        if report is not None:
            self._take([_transition(row) for row in report["transitions"]], _parts_of(report))
            known = {str(run) for run in cube["run"].values}
            if self.rows and not known & {run for run, *_ in self.rows}:
                raise UserError(
                    f"`detect`: its runs ({', '.join(sorted({run for run, *_ in self.rows})[:4])}) are none of the "
                    f"cube's ({', '.join(sorted(known)[:4])}); give the file made from this cube"
                )

    def of(self, run: str, split: str, part: str, metric: str) -> dict[str, Transition]:
        """Return the known transitions of one series, by estimand.

        Parameters
        ----------
        run : str
            Name of the run.
        split : str
            How the run is split, such as whole or pair.
        part : str
            Label of the part; empty for the whole run.
        metric : str
            Name of the metric.
        """
        return self.rows.get((run, split, part, metric), {})

    def locate(self, runs: Sequence[str], metrics: Sequence[str], split: str, progress: Progress | None = None) -> int:
        """Locate the transitions of every part of runs and metrics, and return the number of series.

        Parameters
        ----------
        runs, metrics : sequence of str
            Names of runs and metrics.
        split : str
            One of ``SPLITS``.
        progress : callable, optional
            Called with series done, series in all, and the split.

        Raises
        ------
        UserError
            For a split that ``phases detect`` lacks, for more than ``MOST`` series, and for none.
        """
        if split not in SPLITS:
            raise UserError(f"transitions are located of {', '.join(SPLITS)}; not by {split}")
        names = [str(run) for run in self.cube["run"].values]
        positions = [names.index(run) for run in runs]
        by = "run" if split == WHOLE else split
        counts = {run: self._parts(run, metrics, split) for run in positions}
        total = sum(counts.values())
        if total > MOST:
            raise UserError(
                f"{total} series would take minutes: choose fewer runs or metrics, or have the pages started with the "
                f"result of 'phases detect' by {by}"
            )
        known = [m for m in metrics if split == WHOLE or m in self.items.metrics]
        groups: list[list[Trajectory]] = []
        schedules = schedules_of(self.cube.isel(run=positions), None)
        for run in (run for run, count in counts.items() if count):
            series = with_changes(trajectories(self._asked(run, known), known, (by,)), schedules)
            groups += [list(group) for _, group in groupby(prepared(series)[0], key=lambda t: t.group)]
        if not groups:
            raise UserError(f"none of {', '.join(map(shown, metrics))} is known by {by}; choose other metrics")
        parts = {group[0].group: dict(group[0].part) for group in groups}
        done, total = 0, sum(map(len, groups))
        # in other processes where that is faster; the pages must respond meanwhile
        jobs = cores() if total >= WORTH_SPREADING else 1
        rows: list[Transition] = []
        curves: list[Curve] = []
        try:
            for found in spread(partial(_judge, settings=self.settings), groups, jobs):
                rows += found.transitions
                done += len(found.curves)
                curves += found.curves
                if self.stopped.is_set():
                    break
                if progress is not None:
                    progress(done, total, by)
        except BrokenProcessPool:
            if not self.stopped.is_set():
                raise
        self._take(self._decided(rows, groups), parts)
        for curve in curves:
            if curve.fitted is not None:
                self.fits[(curve.run, *split_of(parts[curve.group] if curve.group else {}), curve.metric)] = curve
        return done

    def _decided(self, rows: Sequence[Transition], groups: Sequence[Sequence[Trajectory]]) -> list[Transition]:
        """Return rows that were located together with the outcomes that ``phases detect`` would give them."""
        if not rows:
            return []
        analysed = tuple(dict.fromkeys(row.metric for row in rows))
        declared = self.settings.primary if self.settings.primary in analysed else None
        series = by_key([t for group in groups for t in group])
        return decided_rows(rows, primary_metric(declared, None, analysed), True, series, self.settings, 1)[0]

    def _parts(self, run: int, metrics: Sequence[str], split: str) -> int:
        """Return how many series a run has."""
        if split == WHOLE:
            return len(metrics)
        axes = {"source": (1, 2), "target": (0, 2), PAIR: (2,)}[split]
        masks = [self.items.mask(run, m).any(axes) for m in metrics if m in self.items.metrics]
        return sum(int(mask.sum()) for mask in masks)

    def _asked(self, run: int, metrics: Sequence[str]) -> xr.Dataset:
        """Return one run with only the languages and concepts of its items, which is much faster to analyse."""
        # the outcomes decide which items a metric is about, also one of log-probabilities
        needed = {"translation_outcome", *(n for m in metrics if m in METRICS for n in METRICS[m].variables)}
        one = self.items.loaded(run, [n for n in self.items.stored if n in needed])
        if not self.items.metrics:
            return one
        asked = np.any([self.items.mask(run, m) for m in self.items.metrics], axis=0)
        axes = {"source": (1, 2), "target": (0, 2), "concept": (0, 1)}
        return one.isel({dim: np.flatnonzero(asked.any(axis)) for dim, axis in axes.items()}) if asked.any() else one

    def _take(self, rows: Sequence[Transition], parts: Mapping[str, Mapping[str, str]]) -> None:
        dims = {str(d) for v in self.cube.data_vars.values() for d in v.dims} - {"source", "target", "run"}
        for row in rows:
            names = parts[row.group] if row.group else {}
            if dims & set(names):
                continue  # a part of the run that no page shows, never the run itself
            split, part = split_of(names)
            self.rows.setdefault((row.run, split, part, row.metric), {})[row.estimand] = row


def split_of(names: Mapping[str, str]) -> tuple[str, str]:
    """Return the split and the part that ``names`` tell apart; properties of the run among them are ignored.

    Parameters
    ----------
    names : mapping of str to str
        What distinguishes a group, such as ``{"source": "en"}``.
    """
    if {"source", "target"} <= set(names):
        return PAIR, pair_label(names["source"], names["target"])
    for name in ("source", "target"):
        if name in names:
            return name, names[name]
    return WHOLE, ""


def _parts_of(report: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return what each group of a report stands for, by its label."""
    parts = report.get("parts")
    labels = {str(row["group"]) for row in report["transitions"] if row["group"]}
    if isinstance(parts, dict) and all(isinstance(parts.get(label), dict) for label in labels):
        return {label: {str(k): str(v) for k, v in parts[label].items()} for label in labels}
    raise UserError(
        "`detect` does not say what its groups are (no parts); expected the file of 'phases detect CUBE --json FILE' "
        "of this version: make it again"
    )


def _judge(series: list[Trajectory], settings: Settings) -> GroupResult:
    return judge_group(series, settings)


def _transition(row: dict[str, Any]) -> Transition:
    names = {f.name for f in fields(Transition)}
    try:
        known = {k: v for k, v in row.items() if k in names}
        less = row.get("without_outcome")
        outcomes = {"outcome": Outcome(row["outcome"]), "without_outcome": None if less is None else Outcome(less)}
        return Transition(**{**known, **outcomes})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"`detect` has a row that is no transition ({error}); expected the file of 'phases detect CUBE --json FILE'"
        ) from error

"""Which lags are measured: pairs of metrics within each part of a run, or of any two series of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import xarray as xr

from calque.data.errors import UserError, nearest, shown
from calque.data.metrics import LAGS
from calque.phases.series.metrics import analysable, available
from calque.phases.series.names import by_written_names, written_name
from calque.phases.series.trajectory import Trajectory

SeriesName = tuple[str, str]
"""Group and metric of a series."""


@dataclass(frozen=True)
class LagPairs:
    """The lags of a report.

    Attributes
    ----------
    within : tuple of (str, str)
        Pairs of metrics, measured in every part of every run.
    between : tuple of (SeriesName, SeriesName)
        Pairs of series of a run that may be of two parts.
    """

    within: tuple[tuple[str, str], ...]
    between: tuple[tuple[SeriesName, SeriesName], ...] = ()


def metrics_of_lags(cube: xr.Dataset, lags: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return the metrics that lags are measured between, as their names were written, each once.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    lags : iterable of (str, str)
        Names of series, each a metric or ``GROUP/METRIC``.

    Raises
    ------
    UserError
        For a name whose metric the cube does not have.
    """
    written = by_written_names(cube)
    known = tuple(dict.fromkeys((*available(written), *analysable(written))))
    out = []
    for name in (name for pair in lags for name in pair):
        fitting = [m for m in (written_name(cube, part) for part in (name, *_after_slashes(name))) if m in known]
        if not fitting:
            two = f"two of {', '.join(known[:8])}" if len(known) > 1 else f"two metrics, and it has only {known[0]}"
            raise UserError(
                f"`lags` has {shown(name)}, which is no metric of the cube; expected {two}, or GROUP/METRIC for a part "
                "of a run" + nearest(name, known)
            )
        out.append(fitting[0])
    return tuple(dict.fromkeys(out))


def _after_slashes(name: str) -> list[str]:
    return [name[i + 1 :] for i, letter in enumerate(name) if letter == "/"]


def lag_pairs(cube: xr.Dataset, lags: Sequence[tuple[str, str]] | None, series: Sequence[Trajectory]) -> LagPairs:
    """Return the lags to measure; the standard pairs where none is named.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    lags : sequence of (str, str), optional
        Names of series, each a metric or ``GROUP/METRIC``.
    series : sequence of Trajectory
        What is analysed.

    Raises
    ------
    UserError
        For a name of no series, a pair of one series, or a part beside a whole.
    """
    if lags is None:
        return LagPairs(LAGS)
    metrics = tuple(dict.fromkeys(t.metric for t in series))
    parts = {(t.group, t.metric) for t in series}
    within: list[tuple[str, str]] = []
    between: list[tuple[SeriesName, SeriesName]] = []
    for names in lags:
        one, other = (_resolved(cube, name, metrics, parts) for name in names)
        if one == other:
            raise UserError(f"`lags` has {shown(','.join(names))}: a lag is between two different series")
        if (one[0] is None) != (other[0] is None):
            raise UserError(
                f"`lags` has {shown(','.join(names))}, a part of a run and a whole metric; expected two metrics, or "
                "GROUP/METRIC twice"
            )
        if one[0] is None or other[0] is None:
            within.append((one[1], other[1]))
        else:
            between.append(((one[0], one[1]), (other[0], other[1])))
    return LagPairs(tuple(dict.fromkeys(within)), tuple(dict.fromkeys(between)))


def _resolved(
    cube: xr.Dataset, name: str, metrics: Sequence[str], parts: set[SeriesName]
) -> tuple[str | None, str]:  # fmt: skip
    """Return group and metric of a name; the group is None where a metric is named alone."""
    written = written_name(cube, name)
    if written in metrics:
        return None, written
    for metric in _after_slashes(name):
        found = name[: len(name) - len(metric) - 1], written_name(cube, metric)
        if found in parts:
            return found
    labels = [f"{group}/{metric}" for group, metric in sorted(parts) if group]
    such = f" or a part such as {shown(labels[0])}" if labels else "; split runs with `by` to name their parts"
    raise UserError(f"`lags` has {shown(name)}, which is no series; expected a metric{such}" + nearest(name, labels))


def shown_name(name: SeriesName) -> str:
    """Return the name of a series of a run, such as ``target=de/translation``.

    Parameters
    ----------
    name : SeriesName
        Group and metric.
    """
    return "/".join(part for part in name if part)

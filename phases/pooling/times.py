"""From a detection by pair to log times: located, censored, or missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from calque.phases.pooling.pairs import PairTimes
from calque.phases.results import Lag, Outcome, Transition

Ends = tuple[float, float]


@dataclass(frozen=True)
class Pair:
    """A directed pair of languages, by name."""

    source: str
    target: str


def label(cube: xr.Dataset, dim: str, i: int) -> str:
    """Return the name of a language; its number where the cube has no names.

    Parameters
    ----------
    cube : xarray.Dataset
        Cube, or a run of it.
    dim : {"source", "target"}
        Dimension.
    i : int
        Position along it.
    """
    return str(cube[dim].values[i]) if dim in cube.coords else str(i)


def pairs_by_group(cube: xr.Dataset) -> dict[str, Pair]:
    """Return the pairs of different languages in ``cube`` by their group label in ``detect(by=("pair",))``."""
    sources = [label(cube, "source", i) for i in range(cube.sizes.get("source", 0))]
    targets = [label(cube, "target", i) for i in range(cube.sizes.get("target", 0))]
    return {f"source={s} target={t}": Pair(s, t) for s in sources for t in targets if s != t}


def takeoff_ends(row: Transition, last: float) -> Ends | None:
    """Return the ends of a pair's log takeoff; None where the series could not be analysed.

    Located: both ends are equal. No rise by the end of training, or one that may lie beyond it: right-censored at the
    lower limit (or the last checkpoint). One that may come before the first trained checkpoint: left-censored at the
    upper limit.

    Parameters
    ----------
    row : Transition
        The pair's takeoff.
    last : float
        Tokens at the last checkpoint.
    """
    if row.outcome in (Outcome.TOO_FEW_POINTS, Outcome.NOT_CONVERGED, Outcome.NOISE_TOO_PERSISTENT):
        return None
    if row.outcome in (Outcome.NONE, Outcome.DECLINING):
        return math.log(last), math.inf
    if row.outcome == Outcome.CENSORED and row.high is None:
        return (math.log(row.low if row.low else last), math.inf)
    if row.tokens is None or (row.outcome == Outcome.CENSORED and row.low is None):
        return (-math.inf, math.log(row.high)) if row.high else None
    return math.log(row.tokens), math.log(row.tokens)


def lag_ends(lag: Lag, first: Transition | None, last: float) -> Ends | None:
    """Return the ends of a pair's log ratio; None where one of the two metrics could not be analysed.

    Where the second never takes off and the first does, the ratio is above last/first.

    Parameters
    ----------
    lag : Lag
        The pair's lag.
    first : Transition, optional
        Takeoff of the first metric.
    last : float
        Tokens at the last checkpoint.
    """
    if lag.log_ratio is not None:
        if lag.outcome == Outcome.CENSORED and lag.high is None and lag.low is not None:
            return lag.low, math.inf
        if lag.outcome == Outcome.CENSORED and lag.low is None and lag.high is not None:
            return -math.inf, lag.high
        return (lag.log_ratio, lag.log_ratio) if lag.outcome != Outcome.CENSORED else None
    if lag.outcome in (Outcome.NONE, Outcome.CENSORED) and first is not None and first.tokens and first.high:
        return math.log(last / first.tokens), math.inf
    return None


def collect(pairs: Sequence[tuple[Pair, Ends | None]]) -> tuple[PairTimes, int, tuple[str, ...]]:
    """Return the times of ``pairs``, how many are missing (None), and the names of the languages by number."""
    known = [(p, e) for p, e in pairs if e is not None]
    names = tuple(sorted({name for p, _ in known for name in (p.source, p.target)}))
    number = {name: i for i, name in enumerate(names)}
    times = PairTimes(
        source=np.array([number[p.source] for p, _ in known], np.int64),
        target=np.array([number[p.target] for p, _ in known], np.int64),
        low=np.array([e[0] for _, e in known], float),
        high=np.array([e[1] for _, e in known], float),
    )
    return times, len(pairs) - len(known), names


def takeoffs(
    rows: Iterable[Transition], run: str, metric: str, groups: dict[str, Pair], last: float
) -> list[tuple[Pair, Ends | None]]:
    """Return the log takeoffs of a run's pairs of different languages.

    Parameters
    ----------
    rows : iterable of Transition
        Transitions by pair.
    run, metric : str
        Run and metric to select.
    groups : dict of str to Pair
        Pairs by group label.
    last : float
        Tokens at the run's last checkpoint.
    """
    return [
        (groups[t.group], takeoff_ends(t, last))
        for t in rows
        if (t.run, t.metric, t.estimand) == (run, metric, "takeoff") and t.group in groups
    ]


def lags(
    found: Iterable[Lag], run: str, first: str, second: str, groups: dict[str, Pair], last: float,
    takeoff: Callable[[str, str], Transition | None],
) -> list[tuple[Pair, Ends | None]]:  # fmt: skip
    """Return the log ratios of a run's pairs of different languages.

    Parameters
    ----------
    found : iterable of Lag
        Lags by pair.
    run, first, second : str
        Run and metrics to select.
    groups : dict of str to Pair
        Pairs by group label.
    last : float
        Tokens at the run's last checkpoint.
    takeoff : callable
        Returns the takeoff of a metric and a group label; None where there is none.
    """
    return [
        (groups[lag.group], lag_ends(lag, takeoff(first, lag.group), last))
        for lag in found
        if (lag.run, lag.first, lag.second) == (run, first, second) and lag.group in groups
    ]

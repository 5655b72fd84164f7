"""Takeoff times of runs, the data of every law: one time for each run, known, bounded or not yet reached."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.errors import UserError, nearest
from calque.data.quantities import format_count
from calque.phases.likelihood import TakeoffLikelihood
from calque.phases.results import Transition
from calque.scaling.run_values import SIZE, run_labels, run_sizes

Array = NDArray[np.float64]
Kind = Literal["located", "right", "left", "interval", "unused"]
SAME_SIZE = 0.02
"""Sizes that differ by less than this share count as one."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The transition time of one run.

    Attributes
    ----------
    run, size : str
        Names.
    n : float
        Non-embedding parameters.
    kind : str
        ``located`` (``tokens``, with ``low`` and ``high`` where they are known), ``right`` (not yet by
        ``low``), ``left`` (before ``high``), ``interval`` (somewhere between both) or ``unused`` (``reason``
        says why).
    tokens, low, high : float or None
        Training tokens.
    level : float
        Of the interval.
    outcome, reason : str
        As ``phases`` reported them.
    mix, language : str
        The run's mix, and the language translated into; empty for all of them.
    share, overlap : float or None
        The language's share of training text; share of its words with a token in common with the source's.
    likelihood : TakeoffLikelihood or None
        Of the time, as ``phases`` found it; where it is None the interval stands for it.
    """

    run: str
    size: str
    n: float
    kind: Kind
    tokens: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    outcome: str = "found"
    reason: str = ""
    mix: str = ""
    language: str = ""
    share: float | None = None
    overlap: float | None = None
    likelihood: TakeoffLikelihood | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the observation as plain values, without its likelihood; absent ones are None."""
        return {name: value for name, value in asdict(self).items() if name != "likelihood"}


def observe(
    cube: xr.Dataset, transitions: Iterable[Transition], metric: str, likelihoods: Iterable[TakeoffLikelihood] = ()
) -> tuple[Observation, ...]:  # fmt: skip
    """Pair each run's takeoff of ``metric`` with the run's size.

    A takeoff that has a time is located. ``censored`` and ``none`` without a time mean "not yet by the run's
    last checkpoint" (or by ``low``, where given). Bounds alone give an interval. Anything else is unused,
    with its reason.

    Parameters
    ----------
    cube : xarray.Dataset
        Validated, with the runs' non-embedding parameters.
    transitions : iterable of Transition
        What ``phases detect`` found.
    metric : str
        Whose takeoff.
    likelihoods : iterable of TakeoffLikelihood
        Of the takeoffs, by run; a run without one counts by its interval.

    Raises
    ------
    UserError
        When the cube lacks sizes or no run has a takeoff of this metric.
    """
    runs = CubeRuns.of(cube)
    known_likelihoods = {one.run: one for one in likelihoods if one.metric == metric}
    transitions = list(transitions)
    rows = {str(t.run): t for t in transitions if t.metric == metric and t.estimand == "takeoff"}
    if not rows:
        known = sorted({str(t.metric) for t in transitions})
        raise UserError(
            f"no run has a takeoff of metric '{metric}'; expected one of {', '.join(known) or 'none'}"
            + nearest(metric, known)
        )
    found = [runs.observation(i, rows[run]) for i, run in enumerate(runs.names) if run in rows]
    return tuple(
        replace(o, likelihood=known_likelihoods.get(o.run)) if o.kind != "unused" else o for o in found
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CubeRuns:
    """What a cube says of its runs, one entry each.

    Attributes
    ----------
    names, size, mix : list of str
        Names; ``mix`` is empty where the cube has none.
    n : array, shape (r,)
        Non-embedding parameters, NaN where unknown.
    last : array, shape (r,)
        Training tokens of the last checkpoint.
    """

    names: list[str]
    size: list[str]
    mix: list[str]
    n: Array
    last: Array

    @classmethod
    def of(cls, cube: xr.Dataset) -> CubeRuns:
        """Read them from a validated cube.

        Raises
        ------
        UserError
            When the cube has no sizes at all.
        """
        n = run_sizes(cube)
        if n is None:
            raise UserError(
                f"the cube has no run coordinate '{SIZE}'; state each run's non-embedding parameters with `params` "
                "RUN=COUNT"
            )
        names = [str(name) for name in cube["run"].values]
        return cls(
            names=names,
            size=run_labels(cube, "size") or [format_count(value) for value in n],
            mix=run_labels(cube, "mix") or [""] * len(names),
            n=n,
            last=np.nanmax(np.asarray(cube["tokens"].transpose("run", "checkpoint"), float), axis=1),
        )

    def observation(self, i: int, row: Transition) -> Observation:
        """Return what transition ``row`` of the run at position ``i`` tells of its time."""
        found = observation(self.names[i], self.size[i], float(self.n[i]), row, float(self.last[i]))
        return replace(found, mix=self.mix[i])


def observation(run: str, size: str, n: float, row: Transition, last: float) -> Observation:
    """Return the observation that a transition of one run is; ``last`` is its last checkpoint's tokens.

    Parameters
    ----------
    run, size : str
        Names.
    n : float
        Non-embedding parameters; NaN where unknown.
    row : Transition
        What ``phases`` found of the run.
    last : float
        Training tokens of its last checkpoint.
    """
    tokens, low, high = (_number(v) for v in (row.tokens, row.low, row.high))
    level = _number(row.level) or 0.95
    kind: Kind = "unused"
    reason = str(row.reason or "")
    if not math.isfinite(n) or n <= 0:
        reason, n = "its non-embedding parameters are not known", math.nan
    elif tokens is not None:
        kind = "located"
    elif row.outcome == "censored" and low is None and high is not None:
        kind = "left"
    elif row.outcome in ("censored", "none"):
        kind, high = "right", None
        low = low if low is not None else last
    elif low is not None or high is not None:
        kind = "interval" if low is not None and high is not None else "left" if low is None else "right"
    return Observation(
        run=run, size=size, n=n, kind=kind, tokens=tokens, low=low, high=high, level=level,
        outcome=str(row.outcome), reason=reason,
    )  # fmt: skip


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) and number > 0 else None


def sizes(observations: Sequence[Observation], kinds: Sequence[Kind] = ("located",)) -> list[float]:
    """Return the distinct sizes among observations of these kinds, ascending; 2 % apart counts as one.

    Parameters
    ----------
    observations : sequence of Observation
        One for each run.
    kinds : sequence of str
        Which of them count.
    """
    distinct: list[float] = []
    for n in sorted(o.n for o in observations if o.kind in kinds):
        if not distinct or n > distinct[-1] * (1 + SAME_SIZE):
            distinct.append(n)
    return distinct

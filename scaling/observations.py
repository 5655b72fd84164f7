"""What a law is fitted to: one transition time a run, known, bounded or not yet reached."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import norm

from calque.data.errors import UserError, nearest
from calque.data.quantities import format_count

Array = NDArray[np.float64]
Kind = Literal["located", "right", "left", "interval", "unused"]
SAME_SIZE = 0.02


class Found(Protocol):
    """The fields of a ``phases`` transition that are read here."""

    @property
    def run(self) -> Any: ...  # noqa: D102
    @property
    def metric(self) -> Any: ...  # noqa: D102
    @property
    def estimand(self) -> Any: ...  # noqa: D102
    @property
    def outcome(self) -> Any: ...  # noqa: D102
    @property
    def reason(self) -> Any: ...  # noqa: D102
    @property
    def tokens(self) -> Any: ...  # noqa: D102
    @property
    def low(self) -> Any: ...  # noqa: D102
    @property
    def high(self) -> Any: ...  # noqa: D102
    @property
    def level(self) -> Any: ...  # noqa: D102


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

    def to_dict(self) -> dict[str, Any]:
        """Return the observation as plain values; absent ones are None."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Data:
    """Observations as arrays for the likelihood; all times are natural logarithms.

    Attributes
    ----------
    n : array, shape (m,)
        Non-embedding parameters.
    located : array of bool, shape (m,)
        Whether ``y`` is a measured time; otherwise the time lies between ``low`` and ``high``.
    y, se : array, shape (m,)
        Log time and its standard error (0 where not located).
    low, high : array, shape (m,)
        Bounds of the log time, infinite where open.
    """

    n: Array
    located: NDArray[np.bool_]
    y: Array
    se: Array
    low: Array
    high: Array


def observe(cube: xr.Dataset, transitions: Iterable[Found], metric: str) -> tuple[Observation, ...]:
    """Pair each run's takeoff of ``metric`` with the run's size.

    A takeoff that has a time is located. ``censored`` and ``none`` without a time mean "not yet by the run's
    last checkpoint" (or by ``low``, where given). Bounds alone give an interval. Anything else is unused,
    with its reason.

    Raises
    ------
    UserError
        When the cube lacks sizes or no run has a takeoff of this metric.
    """
    if "n_params_non_embedding" not in cube.coords and "n_params_non_embedding" not in cube.variables:
        raise UserError(
            "the cube has no run coordinate 'n_params_non_embedding'; state each run's non-embedding parameters "
            "with --params RUN=COUNT"
        )
    transitions = list(transitions)
    rows = {str(t.run): t for t in transitions if t.metric == metric and t.estimand == "takeoff"}
    if not rows:
        known = sorted({str(t.metric) for t in transitions})
        raise UserError(
            f"no run has a takeoff of metric '{metric}'; expected one of {', '.join(known) or 'none'}"
            + nearest(metric, known)
        )
    result = []
    for i, run in enumerate(str(name) for name in cube["run"].values):
        if run not in rows:
            continue
        n = float(cube["n_params_non_embedding"].values[i])
        size = str(cube["size"].values[i]) if "size" in cube.variables else format_count(n)
        tokens = np.asarray(cube["tokens"].isel(run=i), float)
        mix = str(cube["mix"].values[i]) if "mix" in cube.variables else ""
        found = observation(run, size, n, rows[run], float(np.nanmax(tokens)))
        result.append(replace(found, mix=mix))
    return tuple(result)


def observation(run: str, size: str, n: float, row: Found, last: float) -> Observation:
    """Return the observation that a transition of one run is; ``last`` is its last checkpoint's tokens."""
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


def arrays(observations: Sequence[Observation]) -> Data:
    """Return the used observations as arrays.

    The standard error of a located time is half its interval's log width over the normal quantile of its
    level; an interval open on one side counts with the other, and one without any bound gets the median of
    the rest.
    """
    used = [o for o in observations if o.kind != "unused"]
    se = np.array([_standard_error(o) for o in used])
    located = np.array([o.kind == "located" for o in used])
    known = located & np.isfinite(se)
    se[located & ~known] = float(np.median(se[known])) if known.any() else 0.0
    se[~located] = 0.0
    return Data(
        n=np.array([o.n for o in used]),
        located=located,
        y=np.array([math.log(o.tokens) if o.tokens else 0.0 for o in used]),
        se=se,
        low=np.array([math.log(o.low) if o.low and o.kind != "left" else -np.inf for o in used]),
        high=np.array([math.log(o.high) if o.high and o.kind != "right" else np.inf for o in used]),
    )


def _standard_error(o: Observation) -> float:
    if o.kind != "located" or o.tokens is None:
        return math.nan
    down = math.log(o.tokens / o.low) if o.low else None
    up = math.log(o.high / o.tokens) if o.high else None
    widths = [w for w in (down, up) if w is not None and w >= 0]
    return float(np.mean(widths) / norm.ppf(0.5 + o.level / 2)) if widths else math.nan


def sizes(observations: Sequence[Observation], kinds: Sequence[Kind] = ("located",)) -> list[float]:
    """Return the distinct sizes among observations of these kinds, ascending; 2 % apart counts as one."""
    distinct: list[float] = []
    for n in sorted(o.n for o in observations if o.kind in kinds):
        if not distinct or n > distinct[-1] * (1 + SAME_SIZE):
            distinct.append(n)
    return distinct

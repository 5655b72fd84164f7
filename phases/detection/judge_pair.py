"""Rows of two metrics of one run: their lag and their crossover, each with its outcome and its reason."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from calque.data.quantities import format_estimate
from calque.phases.detection.analyse import Analysis
from calque.phases.detection.crossover import crossover
from calque.phases.detection.fitting import FEWEST
from calque.phases.detection.judge import BLUNT, judged
from calque.phases.detection.lag import lag
from calque.phases.results import Lag, Outcome, Refusal, Transition, finite
from calque.phases.schedules.words import UNITS
from calque.phases.settings import Settings
from calque.phases.wording import ratio_text


def lag_row(
    first: Analysis | Refusal, second: Analysis | Refusal, usable: Collection[str], settings: Settings,
    names: tuple[str, str] | None = None,
) -> Lag:  # fmt: skip
    """Return the lag between two series of one run.

    Parameters
    ----------
    first : Analysis or Refusal
        Of the metric that the lag starts from.
    second : Analysis or Refusal
        Of the other metric of the same run.
    usable : collection of str
        Names of the series whose takeoff the report gives.
    settings : Settings
        What is asked of the cube.
    names : tuple of two str, optional
        Names of two series of different parts of the run; their metrics when None.
    """
    a, b = first.trajectory, second.trajectory
    one, other = names or (a.metric, b.metric)
    common: dict[str, Any] = {
        "run": a.run, "group": "" if names else a.group, "first": one, "second": other, "level": settings.level,
        "axis": a.axis,
    }  # fmt: skip
    missing = [name for name in (one, other) if name not in usable]
    if missing or isinstance(first, Refusal) or isinstance(second, Refusal):
        return Lag(
            outcome=_why_none(first, second), reason=f"no takeoff of {' and '.join(missing)} to measure from", **common
        )
    estimate = lag(first, second, boot=settings.boot, level=settings.level, seed=settings.seed)
    if estimate is None:
        return Lag(outcome=Outcome.CENSORED, reason="one of the two takeoffs lies beyond the run", **common)
    low, high = finite(estimate.low), finite(estimate.high)
    start = _median_tokens(first)
    tokens = start * (math.exp(estimate.log_ratio) - 1) if start is not None else None
    times = ratio_text(math.exp(estimate.log_ratio), *(None if v is None else math.exp(v) for v in (low, high)))
    unit = UNITS[a.axis]
    if low is not None and low > 0:
        outcome = Outcome.FOUND
        reason = f"{other} takes off later than {one}, at {times} times its {unit}"
    elif high is not None and high < 0:
        outcome = Outcome.FOUND
        reason = f"{other} takes off earlier than {one}, at {times} times its {unit}"
    elif low is None or high is None:
        outcome = Outcome.CENSORED
        reason = f"one of the two may take off beyond the run: {other} at {times} times the {unit} of {one}"
    elif high - low > 2 * BLUNT:
        outcome = Outcome.NOT_SHARPLY_LOCATED
        reason = f"{other} at {times} times the {unit} of {one}: more than a factor of a hundred"
    else:
        outcome = Outcome.NONE
        reason = f"no lag that noise does not explain: {other} at {times} times the {unit} of {one}"
    return Lag(
        log_ratio=estimate.log_ratio, low=low, high=high, p_value=estimate.p_value, tokens=tokens, outcome=outcome,
        reason=reason, **common,
    )  # fmt: skip


def _why_none(first: Analysis | Refusal, second: Analysis | Refusal) -> Outcome:
    """Return the outcome of a question about two series where one of them has no takeoff."""
    if min(first.trajectory.n, second.trajectory.n) < FEWEST:
        return Outcome.TOO_FEW_POINTS
    refused = {one.outcome for one in (first, second) if isinstance(one, Refusal)}
    return next((o for o in (Outcome.NOT_CONVERGED, Outcome.NOISE_TOO_PERSISTENT) if o in refused), Outcome.NONE)


def _median_tokens(a: Analysis) -> float | None:
    return finite(float(a.fit.axis.to_tokens(a.locations["takeoff"].x)))


def crossover_row(
    first: Analysis | Refusal, second: Analysis | Refusal, usable: Collection[str], settings: Settings
) -> Transition:
    """Return where ``second`` overtakes ``first``; the row is filed under ``second``.

    Parameters
    ----------
    first : Analysis or Refusal
        Of the metric that is overtaken.
    second : Analysis or Refusal
        Of the metric that overtakes.
    usable : collection of str
        Metrics whose takeoff the report gives.
    settings : Settings
        What is asked of the cube.
    """
    a, b = first.trajectory, second.trajectory
    common: dict[str, Any] = {
        "run": b.run, "group": b.group, "metric": b.metric, "estimand": "crossover", "level": settings.level,
        "n_checkpoints": b.n, "falls": b.falls, "axis": b.axis,
    }  # fmt: skip
    if min(a.n, b.n) < FEWEST:
        return Transition(outcome=Outcome.TOO_FEW_POINTS, reason=f"fewer than {FEWEST} checkpoints", **common)
    if isinstance(first, Refusal) or isinstance(second, Refusal) or b.metric not in usable:
        return Transition(outcome=_why_none(first, second), reason=f"no takeoff of {b.metric} is shown", **common)
    crossing = crossover(first, second, boot=settings.boot, level=settings.level, seed=settings.seed)
    if crossing is None:
        reason = f"{b.metric} is not above {a.metric} at the last checkpoint"
        return Transition(outcome=Outcome.NONE, reason=reason, **common)
    start = float(first.fit.axis.to_tokens(first.fit.axis.first))
    low = None if crossing.low < start * (1 + 1e-9) else finite(crossing.low)
    high = finite(crossing.high)
    if crossing.tokens <= start:
        reason = f"{b.metric} is above {a.metric} from the first checkpoint on"
        return Transition(outcome=Outcome.NONE, reason=reason, **common)
    factor = math.inf if low is None or high is None else high / low
    outcome, why = judged(low is None, high is None, factor)
    reason = f"{b.metric} overtakes {a.metric} at {format_estimate(crossing.tokens, low, high, UNITS[b.axis])}"
    return Transition(outcome=outcome, reason=reason + why, tokens=crossing.tokens, low=low, high=high, **common)

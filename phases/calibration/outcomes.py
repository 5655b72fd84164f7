"""Results of the statistics on simulated series, and their summary as figures: size, coverage, width, power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calque.phases.calibration.pathologies.reported import cube_of, said
from calque.phases.detection.analyse import Analysis, analyse
from calque.phases.detection.crossover import crossover
from calque.phases.detection.fitting import delay_alone
from calque.phases.detection.judge import rows
from calque.phases.detection.lag import lag
from calque.phases.dictionary.grid import Dictionary
from calque.phases.results import Estimand, Outcome, Refusal
from calque.phases.series.axis import Array, Axis
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from calque.phases.stats.delay import DelayTest

Ask = Literal["delay", "takeoff", "peak", "lag", "crossover", "report"]
PAIRED = ("lag", "crossover")
Columns = dict[str, Array]
STEEP = 2.0
"""Growth faster than tokens to this power counts as steep."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the statistics are run on every simulated series."""

    seed: int = 0
    boot: int = 199
    level: float = 0.95
    rise: float = 0.05


@dataclass(frozen=True)
class Truth:
    """What was true of the simulated series.

    Attributes
    ----------
    takeoff, t50, peak, decline, crossover : float
        log10 of the share of the run, inf where there is none.
    elasticity : float
        Of the curve; every H0(gamma) at or above it is true. NaN where it is not known.
    lag : float
        ln of the ratio of the two takeoffs.
    """

    takeoff: float = np.inf
    t50: float = np.inf
    elasticity: float = np.nan
    lag: float = np.nan
    peak: float = np.inf
    decline: float = np.inf
    crossover: float = np.inf


@dataclass(frozen=True)
class Figure:
    """A simulated figure with its Monte Carlo standard error, over ``n`` series."""

    value: float
    error: float
    n: int


@lru_cache(maxsize=8)
def _dictionary(tokens: bytes) -> Dictionary:
    return Dictionary(Axis.of(np.frombuffer(tokens)))


def answer(series: Sequence[Trajectory], ask: Ask, options: Options, schedule: str | None = None) -> dict[str, float]:
    """Return the results of the statistics for one series, or for the two of a lag or a crossover.

    Parameters
    ----------
    series : sequence of Trajectory
        One series, or two.
    ask : {"delay", "takeoff", "peak", "lag", "crossover", "report"}
        What is estimated or tested; ``report``: what ``phases detect`` says of a cube of the series.
    options : Options
        Settings of the statistics.
    schedule : str, optional
        What the report knows of the schedule.

    Returns
    -------
    dict
        ``p`` and ``gamma`` of the test; with locations also the ends of the intervals, ``made`` (1 where there is an
        interval at all) and ``reported`` (1 where the report would give tokens, or the lag).
    """
    t = series[0]
    if ask == "report":
        asked = Settings(
            metrics=(t.metric,),
            boot=options.boot,
            seed=options.seed,
            level=options.level,
            rise=options.rise,
            schedule=schedule,
        )
        return said(cube_of(t), t.metric, asked)
    if ask == "delay":
        return _of_delay(delay_alone(
            t, boot=options.boot, level=options.level, seed=options.seed, dictionary=_dictionary(t.tokens.tobytes())
        ))  # fmt: skip
    found = [
        analyse(
            t, rise=options.rise, boot=options.boot, level=options.level, seed=options.seed,
            dictionary=_dictionary(t.tokens.tobytes()),
        )
        for t in series
    ]  # fmt: skip
    if ask == "lag":
        return _of_lag(found[0], found[1], options)
    if ask == "crossover":
        return _of_crossover(found[0], found[1], options)
    a = found[0]
    names: tuple[Estimand, Estimand] = ("takeoff", "t50") if ask == "takeoff" else ("peak", "decline")
    return _of_delay(a if isinstance(a, Refusal) else a.delay) | _of_locations(a, options.level, names)


def _of_delay(delay: DelayTest | Refusal | None) -> dict[str, float]:
    if isinstance(delay, DelayTest):
        return {"p": delay.p_value, "gamma": delay.elasticity or 0.0}
    return {"p": 1.0, "gamma": 0.0}


def _of_locations(a: Analysis | Refusal, level: float, names: tuple[Estimand, Estimand]) -> dict[str, float]:
    """Return the ends of two locations, the first without a prefix."""
    locations = {} if isinstance(a, Refusal) else a.locations
    out = {"made": float(names[0] in locations), "reported": float(reported(a, level, names[0]))}
    for name, prefix in zip(names, ("", f"{names[1]}_"), strict=True):
        place = locations.get(name)
        ends = (np.nan,) * 3 if place is None else (place.x, place.low, place.high)
        out |= dict(zip((f"{prefix}x", f"{prefix}low", f"{prefix}high"), map(float, ends), strict=True))
    return out


def reported(a: Analysis | Refusal, level: float, estimand: Estimand = "takeoff") -> bool:
    """Return whether the report gives tokens for a location.

    Parameters
    ----------
    a : Analysis or Refusal
        Analysis of the series.
    level : float
        Confidence level.
    estimand : str
        Name of the location.
    """
    return any(t.estimand == estimand and t.outcome != Outcome.NONE and t.tokens is not None for t in rows(a, level))


def _of_lag(first: Analysis | Refusal, second: Analysis | Refusal, options: Options) -> dict[str, float]:
    found = None
    if isinstance(first, Analysis) and isinstance(second, Analysis):
        found = lag(first, second, boot=options.boot, level=options.level, seed=options.seed)
    both = reported(first, options.level) and reported(second, options.level)
    if found is None:
        return {"p": 1.0, "made": 0.0, "reported": 0.0, "x": np.nan, "low": np.nan, "high": np.nan}
    return {
        "p": found.p_value, "made": 1.0, "reported": float(both), "x": found.log_ratio, "low": found.low,
        "high": found.high,
    }  # fmt: skip


def _of_crossover(first: Analysis | Refusal, second: Analysis | Refusal, options: Options) -> dict[str, float]:
    """``p`` is 1: a crossover is located and not fitted."""
    found = None
    if isinstance(first, Analysis) and isinstance(second, Analysis):
        found = crossover(first, second, boot=options.boot, level=options.level, seed=options.seed)
    if found is None:
        return {"p": 1.0, "made": 0.0, "reported": 0.0, "x": np.nan, "low": np.nan, "high": np.nan}
    end = first.trajectory.tokens[-1]
    x, low, high = np.log10(np.array([found.tokens, found.low, found.high]) / end)
    return {"p": 1.0, "made": 1.0, "reported": 1.0, "x": float(x), "low": float(low), "high": float(high)}


def columns(answers: Sequence[dict[str, float]]) -> Columns:
    """Return ``answers``, one dict a series with the same keys, as one array (series,) a key."""
    return {name: np.array([a[name] for a in answers], float) for name in answers[0]} if answers else {}


def figures(found: Columns, ask: Ask, truth: Truth, level: float) -> dict[str, Figure]:
    """Return the figures of many answers, by name.

    ``late``: a delayed start is found by the report; ``early``: median of how much the takeoff lies before the truth.
    ``rejected``: p <= 1 - level (of "no delayed start", of "no lag"). ``steep``: elasticity bound of 2 or more.
    ``overstated``: elasticity bound at or above the true elasticity, so that a true hypothesis was rejected.
    ``coverage``: share of *all* series whose interval holds the truth. ``covered_if_reported``: of those with a row in
    the report. ``open``: one end at least is infinite. ``width``: median, decades for takeoff and lag alike. ``error``:
    median distance of the location from the truth. A peak is looked for where a decline is found alone: its coverage,
    and that of the decline, are of those reported.

    Parameters
    ----------
    found : dict of array, shape (series,)
        Answers as columns, see :func:`answer`.
    ask : {"delay", "takeoff", "peak", "lag", "crossover", "report"}
        What was estimated or tested.
    truth : Truth
        True values of the simulated series.
    level : float
        Confidence level of intervals; tests are at 1 - level.
    """
    if ask == "peak":
        return _of_fall(found, truth)
    if ask == "report":
        return _of_report(found, truth)
    out = {} if ask == "crossover" else {"rejected": share(found["p"] <= 1 - level + 1e-9)}
    if ask not in PAIRED:
        out["steep"] = share(found["gamma"] >= STEEP)
    if ask not in PAIRED and not np.isnan(truth.elasticity):
        out["overstated"] = share((found["gamma"] > 0) & (found["gamma"] >= truth.elasticity))
    if ask == "delay":
        return out
    places = {"lag": truth.lag, "takeoff": truth.takeoff, "crossover": truth.crossover}
    unit, at = np.log(10.0) if ask == "lag" else 1.0, places[ask]
    out["reported"] = share(found["reported"] > 0)
    if not np.isfinite(at):
        return out
    made = found["made"] > 0
    inside = made & holds(found["low"], found["high"], at)
    out["coverage"] = share(inside)
    out["covered_if_reported"] = share(inside[found["reported"] > 0])
    out["open"] = share(made & ~(np.isfinite(found["low"]) & np.isfinite(found["high"])))
    out["width"] = median(interval_width(found["low"], found["high"])[made] / unit)
    out["error"] = median(np.abs(found["x"] - at)[made] / unit)
    if ask == "takeoff" and np.isfinite(truth.t50):
        out["t50_coverage"] = share(made & holds(found["t50_low"], found["t50_high"], truth.t50))
    return out


def _of_report(found: Columns, truth: Truth) -> dict[str, Figure]:
    out = {"late": share(found["late"] > 0), "reported": share(found["reported"] > 0)}
    if not np.isfinite(truth.takeoff):
        return out
    given = found["reported"] > 0
    low, high = found["low"][given], found["high"][given]
    out["coverage"] = share(given & holds(found["low"], found["high"], truth.takeoff))
    out["covered_if_reported"] = share(holds(low, high, truth.takeoff))
    out["early"] = median(truth.takeoff - found["x"][given])
    out["width"] = median(interval_width(low, high))
    return out


def _of_fall(found: Columns, truth: Truth) -> dict[str, Figure]:
    out = {"reported": share(found["reported"] > 0)}
    some = found["reported"] > 0
    for name, prefix in (("peak", ""), ("decline", "decline_")):
        low, high = found[f"{prefix}low"][some], found[f"{prefix}high"][some]
        out[f"{name}_coverage"] = share(holds(low, high, getattr(truth, name)))
        out[f"{name}_width"] = median(interval_width(low, high))
    return out


def holds(low: Array, high: Array, truth: float) -> NDArray[np.bool_]:
    """Return which intervals, ``low`` to ``high`` (n,) with both ends included, contain ``truth``."""
    return np.asarray((low <= truth + 1e-9) & (truth - 1e-9 <= high))


def interval_width(low: Array, high: Array) -> Array:
    """Return the widths of intervals ``low`` to ``high`` (n,), infinite where an end is."""
    closed = np.isfinite(low) & np.isfinite(high)
    return np.where(closed, np.where(closed, high, 0.0) - np.where(closed, low, 0.0), np.inf)


def share(hits: NDArray[Any]) -> Figure:
    """Return the share of true ``hits`` (n,); half a hit is added for the standard error, so it is never 0."""
    n, k = len(hits), int(np.count_nonzero(hits))
    if n == 0:
        return Figure(np.nan, np.nan, 0)
    p = (k + 0.5) / (n + 1)
    return Figure(k / n, float(np.sqrt(p * (1 - p) / n)), n)


def median(values: Array) -> Figure:
    """Return the median of ``values`` (n,); its standard error is from order statistics one rank error to each side."""
    n = len(values)
    if n == 0:
        return Figure(np.nan, np.nan, 0)
    ordered, half = np.sort(values), 0.5 * np.sqrt(n)
    low, high = (ordered[int(np.clip(round(0.5 * (n - 1) + side * half), 0, n - 1))] for side in (-1, 1))
    middle = ordered[[(n - 1) // 2, n // 2]]
    error = 0.5 * (high - low) if np.isfinite(high) else np.inf
    return Figure(float(middle.mean()), float(error), n)

"""The questions of a study's calibration: replicates of one series, or of the lag of two, with their true values.

The noise of each replicate is a draw from the posterior of the series' own fit; the two series of a lag share shocks as
their residuals do. In a run whose checkpoints were adaptive every replicate has checkpoints of its own
(``calque.phases.calibration.adaptive``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from calque.phases.adaptive.record import AdaptiveDesign
from calque.phases.calibration.adaptive import Source, drawn
from calque.phases.calibration.designs import (
    around,
    moved_to,
    nearest_concave,
    spread_of,
    takeoff_of,
    template,
    together,
)
from calque.phases.calibration.outcomes import Ask, Options, Truth, reported
from calque.phases.detection.analyse import Analysis
from calque.phases.detection.lag import lag
from calque.phases.generators import generator
from calque.phases.results import Refusal
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

Question = Literal["null", "fitted"]
"""``null``: the tested hypothesis is true. ``fitted``: the fitted curves are the true ones."""
TOGETHER = 0.01
"""Decades within which two curves count as taking off at the same time."""


@dataclass(frozen=True)
class Simulation:
    """One question about one series or pair: its simulated replicates, and their true values."""

    question: Question
    ask: Ask
    replicates: tuple[tuple[Trajectory, ...], ...]
    truth: Truth


@dataclass(frozen=True, eq=False)
class Adaptive:
    """How a run's checkpoints were chosen, and the analysis of the metric that chose them."""

    design: AdaptiveDesign
    watched: Analysis

    def chose(self, t: Trajectory) -> bool:
        """Return whether the checkpoints of series ``t`` depend on scores: it has some that the rule added."""
        extra = {tokens for decision in self.design.decisions for tokens in decision.extra}
        return not extra.isdisjoint(map(int, t.tokens))


def of_series(a: Analysis, options: Options, replicates: int, adaptive: Adaptive | None = None) -> list[Simulation]:
    """Return both questions about one series.

    Parameters
    ----------
    a : Analysis
        Analysis of the series.
    options : Options
        Seed, and settings of the statistics.
    replicates : int
        Simulated series a question.
    adaptive : Adaptive, optional
        How the run's checkpoints were chosen; None when they were fixed in advance.
    """
    t, fitted = a.trajectory, a.fit.curve
    rng = generator(options.seed, "calibrate", t.key)
    concave = nearest_concave(t, fitted, spread_of(a, rng))
    truth = Truth(takeoff_of(t, fitted, options.rise))
    if adaptive is not None and adaptive.chose(t):
        null, as_fitted = (
            [grown((source,), (a,), adaptive, rng, _name(t, question, i)) for i in range(replicates)]
            for question, source in (
                ("null", Source(template(t), a.fit.noise, concave, "tokens")),
                ("fitted", Source(template(t), a.fit.noise, fitted)),
            )
        )
    else:
        null, as_fitted = (
            named((template(t),), (around(a, curve, rng, replicates),), question)
            for question, curve in (("null", concave), ("fitted", fitted))
        )
    return [
        Simulation("null", "delay", tuple(null), Truth()),
        Simulation("fitted", "takeoff", tuple(as_fitted), truth),
    ]


def of_pair(
    a: Analysis | Refusal, b: Analysis | Refusal, options: Options, replicates: int, adaptive: Adaptive | None = None
) -> tuple[list[Simulation], str]:
    """Return both questions about the lag of two series.

    Parameters
    ----------
    a, b : Analysis or Refusal
        Analyses of the first and the second series.
    options : Options
        Seed, and settings of the statistics.
    replicates : int
        Simulated pairs a question.
    adaptive : Adaptive, optional
        How the run's checkpoints were chosen; None when they were fixed in advance.

    Returns
    -------
    designs : list of Simulation
        Those that can be simulated.
    reason : str
        Why a question is left out; empty when none is.
    """
    if (
        isinstance(a, Refusal)
        or isinstance(b, Refusal)
        or not (reported(a, options.level) and reported(b, options.level))
    ):
        return [], "the report gives no takeoff of one of the two"
    t = b.trajectory
    start, second = (takeoff_of(s.trajectory, s.fit.curve, options.rise) for s in (a, b))
    found = lag(a, b, boot=options.boot, level=options.level, seed=options.seed)
    if found is None or not np.isfinite(start + second):
        return [], "one of the two never takes off"
    rng = generator(options.seed, "calibrate lag", a.trajectory.key, t.key)
    curves: dict[Question, Array] = {"null": moved_to(t, b.fit.curve, start, options.rise), "fitted": b.fit.curve}
    both = template(a.trajectory), template(t)
    designs, reason = [], ""
    for question, curve in curves.items():
        apart = takeoff_of(t, curve, options.rise) - start
        if question == "null" and not abs(apart) <= TOGETHER:
            reason = "no size: the second curve, moved to the first one's takeoff, does not rise within the run"
            continue
        if adaptive is not None and adaptive.chose(a.trajectory) and adaptive.chose(t):
            sources = Source(both[0], a.fit.noise, a.fit.curve), Source(both[1], b.fit.noise, curve)
            made = [
                grown(sources, (a, b), adaptive, rng, _name(a.trajectory, question, i), found.correlation)
                for i in range(replicates)
            ]
        else:
            made = named(both, together(a, b, curve, found.correlation, rng, replicates), question)
        designs.append(Simulation(question, "lag", tuple(made), Truth(lag=float(np.log(10.0) * apart))))
    return designs, reason


def grown(
    sources: tuple[Source, ...], of: tuple[Analysis, ...], adaptive: Adaptive, rng: np.random.Generator, name: str,
    correlation: float = 0.0,
) -> tuple[Trajectory, ...]:  # fmt: skip
    """Draw one replicate of a run with adaptive checkpoints.

    Parameters
    ----------
    sources : tuple of Source
        Metrics to simulate.
    of : tuple of Analysis
        Analyses that the sources come from, in the same order.
    adaptive : Adaptive
        How the run's checkpoints were chosen.
    rng : numpy.random.Generator
        Generator of the replicate.
    name : str
        Run name of the replicate.
    correlation : float
        Correlation of the shocks of two sources.
    """
    watched = adaptive.watched
    own = next((s for s, a in zip(sources, of, strict=True) if a.trajectory.key == watched.trajectory.key), None)
    deciding = own or Source(template(watched.trajectory), watched.fit.noise, watched.fit.curve)
    return drawn(adaptive.design, sources, deciding, rng, name, correlation)


def named(series: tuple[Trajectory, ...], scores: tuple[Array, ...], question: str) -> list[tuple[Trajectory, ...]]:
    """Return simulated scores as replicates: tuples with one series a metric, at the series' own checkpoints.

    Parameters
    ----------
    series : tuple of Trajectory
        Templates, one a metric.
    scores : tuple of array, shape (n, replicates)
        Simulated scores of each template.
    question : str
        Part of the replicates' run names.
    """
    return [
        tuple(replace(t, run=_name(series[0], question, i), y=y[:, i]) for t, y in zip(series, scores, strict=True))
        for i in range(scores[0].shape[1])
    ]


def _name(t: Trajectory, question: str, i: int) -> str:
    """Return the run name of a replicate; the generators of its analysis are derived from it."""
    return f"{t.run} {question} {i}"

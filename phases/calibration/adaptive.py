"""Simulated series with adaptive checkpoints: the rule chooses the checkpoints of every simulated curve.

Given its positions, a series has the same likelihood as with positions fixed in advance. But the distribution of a
statistic over repetitions is that of the whole procedure, in which another curve gets other positions. So a replicate
is drawn interval by interval: the noise continues from its last state, and the scores of the watched metric decide the
next checkpoints. The forecasts from smaller runs are part of the record and stay fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from calque.phases.adaptive.record import AdaptiveDesign, noise_in_tokens
from calque.phases.adaptive.rule import Decision, Seen
from calque.phases.noise import kalman
from calque.phases.noise.noise import Noise
from calque.phases.noise.variants import RHO, VARIANTS
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

Between = Literal["tokens", "log tokens"]


@dataclass(frozen=True, eq=False)
class Source:
    """One metric to simulate.

    Attributes
    ----------
    template : Trajectory
        The series that is imitated, with whole and independent trials.
    noise : Noise
        Posterior of that series' noise; every replicate draws its own.
    curve : array, shape (n,)
        Expected score at the series' checkpoints.
    between : {"tokens", "log tokens"}
        What the curve is straight in between checkpoints: a concave curve stays so in tokens.
    """

    template: Trajectory
    noise: Noise
    curve: Array
    between: Between = "log tokens"

    def at(self, tokens: Array) -> Array:
        """Return the expected score (n,) at positions ``tokens`` (n,)."""
        known, wanted = self.template.tokens, np.asarray(tokens, float)
        if self.between == "log tokens":
            least = known[known > 0][0] * 1e-3  # the untrained model, at 0 tokens, comes first
            known, wanted = np.log(np.maximum(known, least)), np.log(np.maximum(wanted, least))
        return np.asarray(np.interp(wanted, known, self.curve))


class Path:
    """One replicate of one metric, drawn checkpoint by checkpoint.

    Parameters
    ----------
    source : Source
        Curve, trials and noise of the metric.
    rng : numpy.random.Generator
        Generator of the noise parameters and of the scores.
    """

    def __init__(self, source: Source, rng: np.random.Generator) -> None:
        self.source, self.rng = source, rng
        noise, t = source.noise, source.template
        k, i, j = np.unravel_index(rng.choice(noise.weight.size, p=noise.weight.ravel()), noise.weight.shape)
        self.variant, self.rho, self.variance = VARIANTS[k], float(RHO[i]), float(noise.variances[j])
        self.scale = float(noise.scale[k, i, j])
        if not t.counts:
            self.scale *= noise.freedom / rng.chisquare(noise.freedom)
        self.step = float(t.tokens[-1] / t.distances[1, -1])
        self.in_tokens = t.evenly_spaced or self.variant.distance == 1
        self.trials = float(np.median(t.trials)) if t.trials is not None else 1.0
        self.known, self.course = t.tokens, self.variant.course(t)
        self.shift = 0.0
        self.tokens: list[float] = []
        self.score: list[float] = []

    def go(self, tokens: Sequence[float], shocks: Array) -> None:
        """Draw the scores at the next checkpoints.

        Parameters
        ----------
        tokens : sequence of float, length n
            Positions of the checkpoints, ascending, after those drawn so far.
        shocks : array, shape (n,)
            Standard normal innovations of the AR(1) shift.
        """
        shifts = np.empty((len(tokens), 1))
        for n, (at, shock) in enumerate(zip(tokens, shocks, strict=True)):
            gap = (at - (self.tokens or [at])[-1]) / self.step if self.in_tokens else 1.0
            phi = self.rho**gap if self.rho > 0 and self.tokens else 0.0
            self.shift = phi * self.shift + np.sqrt(1 - phi * phi) * shock
            shifts[n] = self.shift * np.sqrt(self.variance)
            self.tokens.append(at)
        mean, white = self.source.at(np.array(tokens)), self.rng.standard_normal((len(tokens), 1))
        course = np.interp(tokens, self.known, self.course)[:, None]
        shifts *= course
        if self.source.template.counts:
            one = np.ones(1)
            drawn = kalman.proportions(
                mean, np.full(len(tokens), self.trials), shifts, course**2 * self.variance, one * self.variant.floor,
                one * self.variant.over, white,
            )  # fmt: skip
        else:
            drawn = mean[:, None] + np.sqrt(self.scale) * (course * white + shifts)
        self.score += drawn[:, 0].tolist()

    def seen(self) -> Seen:
        """Return the curve so far as input of the rule."""
        trials = np.full(len(self.tokens), self.trials)
        return Seen(tokens=np.array(self.tokens), score=np.array(self.score), trials=trials)

    def trajectory(self, name: str, planned: Sequence[int]) -> Trajectory:
        """Return the replicate as a series, with the trials and the noise model of its template.

        Parameters
        ----------
        name : str
            Run name of the replicate.
        planned : sequence of int
            Tokens of the planned checkpoints, see :func:`noise_in_tokens`.
        """
        n, t = len(self.tokens), self.source.template
        tokens = np.array(self.tokens)
        made = replace(
            t, run=name, tokens=tokens, y=np.array(self.score), index=np.arange(n), places=None, spacing=None,
            trials=None if t.trials is None else np.full(n, self.trials),
        )  # fmt: skip
        return noise_in_tokens(made, tokens, planned)


def drawn(
    design: AdaptiveDesign, sources: Sequence[Source], watched: Source, rng: np.random.Generator, name: str,
    correlation: float = 0.0,
) -> tuple[Trajectory, ...]:  # fmt: skip
    """Draw one replicate of a run: the series of all ``sources`` at the checkpoints that the rule chooses for it.

    Parameters
    ----------
    design : AdaptiveDesign
        The run's record: planned checkpoints, budget, and the forecasts from smaller runs at each decision.
    sources : sequence of Source
        Metrics to simulate, one series each.
    watched : Source
        Metric that the rule watches; if it is not among ``sources`` it is drawn as well, with independent noise.
    rng : numpy.random.Generator
        Generator of the replicate.
    name : str
        Run name of the replicate; the generators of its analysis are derived from it.
    correlation : float
        Correlation of the shocks of two ``sources``, as in ``designs.together``.

    Returns
    -------
    tuple of Trajectory
        One series a source, in the order of ``sources``.
    """
    paths = [Path(source, rng) for source in sources]
    decides = next((path for path in paths if path.source is watched), None)
    alone = decides is None
    decides = decides or Path(watched, rng)
    end, left = float(watched.template.tokens[-1]), design.rule.budget
    decision: Decision | None = None
    for planned in design.rule.planned:
        if planned > end:
            break
        at = [*(decision.extra if decision else ()), planned]
        shocks = _shocks(rng, len(paths), len(at), correlation)
        for path, shock in zip(paths, shocks, strict=True):
            path.go(at, shock)
        if alone:
            decides.go(at, rng.standard_normal(len(at)))
        recorded = design.at(planned)
        prior = None if recorded is None else recorded.prior
        decision = design.rule.decide(planned, decides.seen(), left, prior)
        left -= len(decision.extra)
    return tuple(path.trajectory(name, design.rule.planned) for path in paths)


def _shocks(rng: np.random.Generator, series: int, n: int, correlation: float) -> Array:
    """Return standard normal innovations (series, n); those of the first two are correlated."""
    own = rng.standard_normal((series, n))
    if series < 2 or correlation == 0:
        return own
    shared, rest = np.sqrt(abs(correlation)), np.sqrt(1 - abs(correlation))
    signs = np.where(np.arange(series) == 1, np.sign(correlation), 1.0)[:, None]
    return np.asarray(signs * shared * rng.standard_normal(n) + rest * own)

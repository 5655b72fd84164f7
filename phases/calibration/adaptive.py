"""Series whose checkpoints are chosen as they grow: the rule is asked again on every simulated curve.

Given its positions a series has the likelihood that it would have had, had they been fixed beforehand; but the law of a
statistic over repetitions is that of the whole procedure, in which another curve gets other positions. So a replicate
is drawn interval by interval: the noise goes on from where it stood, and what the watched metric scored decides which
checkpoints come next. What smaller runs said is part of the record and stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from calque.phases.adaptive.record import AdaptiveDesign, noise_in_tokens
from calque.phases.adaptive.rule import Decision, Seen
from calque.phases.noise import kalman
from calque.phases.noise.noise import RHO, VARIANTS, Noise
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

Between = Literal["tokens", "log tokens"]


@dataclass(frozen=True, eq=False)
class Source:
    """One metric to simulate.

    Attributes
    ----------
    template : Trajectory
        The series it stands for, with whole and independent trials.
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
        """Return the expected score at any tokens."""
        known, wanted = self.template.tokens, np.asarray(tokens, float)
        if self.between == "log tokens":
            least = known[known > 0][0] * 1e-3  # the untrained model stands before all
            known, wanted = np.log(np.maximum(known, least)), np.log(np.maximum(wanted, least))
        return np.asarray(np.interp(wanted, known, self.curve))


class Path:
    """One replicate of one metric, growing from checkpoint to checkpoint."""

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
        self.shift = 0.0
        self.tokens: list[float] = []
        self.score: list[float] = []

    def go(self, tokens: Sequence[float], shocks: Array) -> None:
        """Draw the scores at the next positions; ``shocks`` are standard normal innovations, one a position."""
        shifts = np.empty((len(tokens), 1))
        for n, (at, shock) in enumerate(zip(tokens, shocks, strict=True)):
            gap = (at - (self.tokens or [at])[-1]) / self.step if self.in_tokens else 1.0
            phi = self.rho**gap if self.rho > 0 and self.tokens else 0.0
            self.shift = phi * self.shift + np.sqrt(1 - phi * phi) * shock
            shifts[n] = self.shift * np.sqrt(self.variance)
            self.tokens.append(at)
        mean, white = self.source.at(np.array(tokens)), self.rng.standard_normal((len(tokens), 1))
        if self.source.template.counts:
            one = np.ones(1)
            drawn = kalman.proportions(
                mean, np.full(len(tokens), self.trials), shifts, one * self.variance, one * self.variant.floor,
                one * self.variant.over, white,
            )  # fmt: skip
        else:
            drawn = mean[:, None] + np.sqrt(self.scale) * (white + shifts)
        self.score += drawn[:, 0].tolist()

    def seen(self) -> Seen:
        """Return the curve so far, as the rule takes it."""
        trials = np.full(len(self.tokens), self.trials)
        return Seen(tokens=np.array(self.tokens), score=np.array(self.score), trials=trials)

    def trajectory(self, name: str, planned: Sequence[int]) -> Trajectory:
        """Return the replicate as a series, accounted for like the one that it stands for."""
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
    """Draw one replicate of a run: the series of all ``sources`` at the checkpoints that it comes to have.

    Parameters
    ----------
    design : AdaptiveDesign
        The run's record: planned checkpoints, budget, and what smaller runs said when.
    sources : sequence of Source
    watched : Source
        Of the metric that decides; where it is none of ``sources`` it is drawn beside them, with noise of its own.
    name : str
        Of the replicate; its series' generators follow from it.
    correlation : float
        Between the shocks of two ``sources``, as in ``designs.together``.
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

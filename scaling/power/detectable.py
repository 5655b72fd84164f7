"""How small a shift between two mixes a study can detect: seeds as replicates, two-sided t test.

``ln T`` of a run scatters with ``seed_sd^2 + se^2``, se from :mod:`calque.scaling.power.attained`; two mixes of s
seeds each differ by delta with standard error ``sqrt(2 (seed_sd^2 + se^2) / s)`` and 2(s - 1) degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

from scipy.optimize import brentq
from scipy.special import comb, ncfdtr
from scipy.stats import t as student

from calque.scaling.power.attained import attained
from calque.scaling.power.precision import LogisticRise, Sampling

PROMPT_TOKENS = 30.0
"""Tokens of one question with its answer, for the cost of asking."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run of N parameters and D tokens costs: 6 N D to train, 2 N a token asked.

    Attributes
    ----------
    n, d : float
        Parameters and training tokens of a run.
    mixes, pairs : int
        Mixes compared; directed language pairs asked of every concept.
    """

    n: float
    d: float
    mixes: int = 2
    pairs: int = 1

    def flops(self, seeds: int, checkpoints: int, concepts: int) -> float:
        """Return the FLOPs of all runs, ``seeds`` a mix, asked ``concepts`` at each of ``checkpoints``."""
        training = 6.0 * self.n * self.d
        asking = 2.0 * self.n * PROMPT_TOKENS * checkpoints * concepts * self.pairs
        return self.mixes * seeds * (training + asking)


@dataclass(frozen=True, kw_only=True)
class Detectable:
    """One design.

    Attributes
    ----------
    se : float
        SD of one run's measured ln T.
    shift : float
        Smallest difference of ln T that is detected with the asked power.
    factor : float
        The same as a ratio of tokens.
    randomisation : bool
        Whether a randomisation test could reach the level at all with so few seeds.
    flops : float
        Of all runs.
    """

    seeds: int
    checkpoints: int
    concepts: int
    se: float
    shift: float
    factor: float
    randomisation: bool
    flops: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def power(shift: float, sd: float, seeds: int, level: float = 0.95) -> float:
    """Return the probability that two groups of ``seeds`` runs with SD ``sd`` differ significantly by ``shift``.

    Parameters
    ----------
    shift : float
        Difference of the means of ln T.
    sd : float
        SD of ln T of a run.
    seeds : int
        Runs in each group.
    level : float
        1 minus the level of the two-sided test.
    """
    df = 2 * (seeds - 1)
    if df < 1:
        return 0.0
    cut = float(student.ppf(0.5 + level / 2, df))
    away = shift / (sd * math.sqrt(2 / seeds))
    # both tails of the noncentral t at once: scipy's own lower tail is NaN in places
    return float(1 - ncfdtr(1, df, away**2, cut**2))


def shift_detected(sd: float, seeds: int, *, asked: float = 0.8, level: float = 0.95) -> float:
    """Return the smallest shift found with probability ``asked``; infinite with one seed.

    Parameters
    ----------
    sd : float
        SD of ln T of a run.
    seeds : int
        Runs in each group.
    asked : float
        Probability of detection.
    level : float
        1 minus the level of the two-sided test.
    """
    if seeds < 2:
        return math.inf
    high = sd * math.sqrt(2 / seeds)
    while power(high, sd, seeds, level) < asked:
        high *= 1.5
    return float(brentq(lambda shift: power(shift, sd, seeds, level) - asked, 1e-12, high, xtol=1e-9))


def designs(
    curve: LogisticRise,
    sampling: Sampling,
    cost: Cost,
    *,
    seeds: Iterable[int],
    checkpoints: Iterable[int],
    concepts: Iterable[int],
    seed_sd: float,
    asked: float = 0.8,
    level: float = 0.95,
    estimand: str = "takeoff",
) -> tuple[Detectable, ...]:
    """Return every combination of seeds, checkpoints and concepts with what it detects and costs.

    Parameters
    ----------
    curve : LogisticRise
        The transition.
    sampling : Sampling
        Spacing and level shifts; its counts are replaced.
    cost : Cost
        Of a run.
    seeds, checkpoints, concepts : iterable of int
        Values that are combined.
    seed_sd : float
        SD of ln T between seeds.
    asked : float
        Probability of detection.
    level : float
        1 minus the level of the test.
    estimand : str
        ``takeoff`` or ``t50``.
    """
    result = []
    for k, n in product(checkpoints, concepts):
        found = attained(curve, replace(sampling, checkpoints=k, concepts=n))
        se = found.takeoff if estimand == "takeoff" else found.t50
        for s in seeds:
            shift = shift_detected(math.hypot(seed_sd, se), s, asked=asked, level=level)
            result.append(
                Detectable(
                    seeds=s, checkpoints=k, concepts=n, se=se, shift=shift, factor=math.exp(min(shift, 700.0)),
                    randomisation=2 / float(comb(2 * s, s)) <= 1 - level + 1e-12, flops=cost.flops(s, k, n),
                )
            )  # fmt: skip
    return tuple(result)


def cheapest(found: Iterable[Detectable], factor: float) -> Detectable | None:
    """Return the design of least FLOPs that detects a shift by ``factor``, None where none does.

    Parameters
    ----------
    found : iterable of Detectable
        The designs.
    factor : float
        Ratio of tokens to be detected.
    """
    reached = [d for d in found if d.factor <= factor]
    return min(reached, key=lambda d: (d.flops, d.factor)) if reached else None

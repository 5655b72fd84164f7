"""Coverage of forecast intervals, by simulation of whole ladders.

One study: ``seeds`` runs of every size of the ladder, ``ln T = law(N) + seed_sd z + measurement_sd e``, and one new run
of the target size without measurement error. What is simulated is what :mod:`calque.scaling.forecast.forecast`
prints, roll-outs included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from calque.data.quantities import plural
from calque.scaling.forecast.averaging import FLOOR_PRIOR
from calque.scaling.forecast.calibration_result import Coverage
from calque.scaling.forecast.predict import predict
from calque.scaling.observations import Observation

PRIORS = {"power": 0.0, "floor": 1.0, "average": FLOOR_PRIOR}
"""Prior probability of a floor; with it each law is the same computation."""


@dataclass(frozen=True, kw_only=True)
class TrueLaw:
    """T = t0 + c N^-gamma tokens."""

    name: str
    t0: float
    c: float
    gamma: float

    def log_time(self, n: float) -> float:
        """Return ln T at ``n`` non-embedding parameters."""
        return math.log(self.t0 + self.c * n**-self.gamma)


TRUTHS = (
    TrueLaw(name="floor", t0=4e9, c=5.8e14, gamma=0.6),
    TrueLaw(name="low floor", t0=1e9, c=5.8e14, gamma=0.6),
    TrueLaw(name="power", t0=0.0, c=4e12, gamma=0.3),
    TrueLaw(name="steep power", t0=0.0, c=5.8e14, gamma=0.6),
)


@dataclass(frozen=True, kw_only=True)
class LadderDesign:
    """A ladder of ``count`` sizes, each ``factor`` times the one before, the largest ``factor`` below the target."""

    target: float = 1.132562432e9
    count: int = 5
    factor: float = 3.0
    seeds: int = 1
    seed_sd: float = 0.04
    measurement_sd: float = 0.0125

    def ladder(self) -> list[float]:
        """Return the sizes in non-embedding parameters, ascending."""
        return [self.target / self.factor**k for k in range(self.count, 0, -1)]


def draw(truth: TrueLaw, design: LadderDesign, rng: np.random.Generator) -> tuple[Observation, ...]:
    """Return the takeoffs of one simulated study.

    Parameters
    ----------
    truth : TrueLaw
        The expected takeoff in size.
    design : LadderDesign
        Sizes, seeds and scatter.
    rng : numpy.random.Generator
        Source of randomness.
    """
    half = math.exp(float(norm.ppf(0.975)) * design.measurement_sd)
    found = []
    for n in design.ladder():
        for s in range(design.seeds):
            noise = design.seed_sd * rng.normal() + design.measurement_sd * rng.normal()
            tokens = math.exp(truth.log_time(n) + noise)
            found.append(
                Observation(
                    run=f"{n:.3g}-s{s}", size=f"{n:.3g}", n=n, kind="located", tokens=tokens, low=tokens / half,
                    high=tokens * half,
                )
            )  # fmt: skip
    return tuple(found)


def coverage(
    truth: TrueLaw,
    design: LadderDesign,
    *,
    laws: tuple[str, ...] = ("average",),
    studies: int = 1000,
    level: float = 0.9,
    seed: int = 7,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[Coverage, ...]:
    """Simulate ``studies`` studies and return the coverage, error and width of each law's interval.

    Parameters
    ----------
    truth : TrueLaw
    design : LadderDesign
        What is simulated.
    laws : tuple of str
        Of ``power``, ``floor``, ``average``.
    studies, level, seed : int, float, int
        How many; the interval's level; the same seed gives the same numbers.
    progress : callable, optional
        Called with (done, total, what).
    """
    expected = truth.log_time(design.target)
    rows: dict[str, list[tuple[float, ...]]] = {law: [] for law in laws}
    for i, child in enumerate(np.random.SeedSequence(seed).spawn(studies)):
        if progress is not None:
            progress(i, studies, f"{truth.name}, {plural(design.seeds, 'seed')}, SD {design.seed_sd:g}")
        rng = np.random.default_rng(child)
        observations = draw(truth, design, rng)
        new = expected + design.seed_sd * rng.normal()
        for law in laws:
            told = predict(observations, [design.target], level, PRIORS[law])[0]
            held, width = told.low <= new <= told.high, told.high - told.low
            rows[law].append((held, told.log_time - expected, width, told.found.floor_weight))
    result = []
    for law in laws:
        held, error, width, weight = np.array(rows[law], float).T
        result.append(
            Coverage(
                truth=truth.name, law=law, seeds=design.seeds, seed_sd=design.seed_sd, studies=studies,
                coverage=float(held.mean()), rms=float(np.sqrt(np.mean(error**2))), bias=float(error.mean()),
                width=float(np.median(width)), floor_weight=float(weight.mean()),
            )
        )  # fmt: skip
    return tuple(result)

"""The best ladder of sizes, seeds and mixes under a budget, by the expected width of the forecast's interval.

A run of N parameters is trained on D = margin x T(N) tokens, T the law one expects, so that its takeoff is inside;
it costs 6 N D FLOPs. The expected SD of ln T at the target follows from the Fisher information of the floor law in
(ln A, gamma, phi) plus the prior's (gamma: SD 1; phi: SD .29, that of 0 to 1), and the scatter of the new run.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np

from calque.data.errors import UserError, nearest
from calque.scaling.laws.floor import FloorLaw
from calque.scaling.power.detectable import shift_detected

PRIOR_SD = np.array([1e3, 1.0, 0.29])
COUNTS, FACTORS, SEEDS = (4, 5, 6, 7), (1.5, 2.0, 2.5, 3.0, 4.0), (1, 2, 3, 4, 5, 6, 8)
MOST_SD = 10
WIDEST_LADDER = 500.0
"""A law is not trusted over a wider range of sizes."""
TOPS = tuple(1 / f for f in (1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32))


@dataclass(frozen=True, kw_only=True)
class Device:
    """FLOPs that an hour buys: peak FLOP/s times the share of it that training attains."""

    name: str
    peak: float
    attained: float = 0.4

    @property
    def flops_an_hour(self) -> float:
        """FLOPs an hour."""
        return self.peak * self.attained * 3600


DEVICES = {
    d.name: d
    for d in (
        Device(name="h200-hours", peak=989e12),
        Device(name="h100-hours", peak=989e12),
        Device(name="a100-hours", peak=312e12),
    )
}
"""Dense bfloat16 peaks of the makers' data sheets; 40 % of them is an assumption, not a measurement."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The law that is expected before anything ran, T = t0 + c N^-gamma, and its scatter."""

    t0: float = 4e9
    c: float = 5.8e14
    gamma: float = 0.6
    seed_sd: float = 0.06
    se: float = 0.03

    def __post_init__(self) -> None:
        """Check the law and its scatter."""
        if not self.t0 >= 0 or not self.c >= 0 or not self.t0 + self.c > 0:
            raise UserError(f"`t0` is {self.t0:g} and `c` is {self.c:g}; expected neither below 0, and one above it")
        if not self.gamma >= 0:
            raise UserError(f"`gamma` is {self.gamma:g}; expected 0 or more: larger models take off no later")
        if not 0 < self.seed_sd <= MOST_SD or not 0 <= self.se <= MOST_SD:
            raise UserError(
                f"`seed_sd` is {self.seed_sd:g} and `se` is {self.se:g}; expected SDs of ln T, above 0 and from 0, at "
                f"most {MOST_SD}"
            )

    def takeoff(self, n: float) -> float:
        """Return T(N) in tokens for ``n`` non-embedding parameters."""
        return self.t0 + self.c * n**-self.gamma


@dataclass(frozen=True, kw_only=True)
class LadderPlan:
    """A ladder and what it is expected to give.

    Attributes
    ----------
    sizes, tokens : tuple of float
        Non-embedding parameters and training tokens of each size.
    seeds, mixes : int
    flops, cost : float
        Of all runs; ``cost`` in the budget's unit.
    sd : float
        Expected SD of ln T of a new run of the target.
    shift : float or None
        Difference of ln T between mixes at the largest size found with power .8; None with one mix or one seed.
    """

    sizes: tuple[float, ...]
    tokens: tuple[float, ...]
    seeds: int
    mixes: int
    flops: float
    cost: float
    sd: float
    shift: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def forecast_sd(sizes: tuple[float, ...], seeds: int, target: float, expected: Expected) -> float:
    """Return the SD of ln T of one new run of ``target``, were the expected floor law true.

    Parameters
    ----------
    sizes : tuple of float
        Non-embedding parameters.
    seeds : int
        Runs of each size.
    target : float
        Non-embedding parameters of the new run.
    expected : Expected
        The law and its scatter.
    """
    law, reference = FloorLaw(), max(sizes)
    at = expected.takeoff(reference)
    theta = np.array([math.log(at), expected.gamma, min(expected.t0 / at, 0.999)])
    j = law.gradient(theta, np.log(np.array(sizes) / reference))
    noise = expected.seed_sd**2 + expected.se**2
    information = seeds * j.T @ j / noise + np.diag(1 / PRIOR_SD**2)
    g = law.gradient(theta, np.log([target / reference]))[0]
    return math.sqrt(float(g @ np.linalg.solve(information, g)) + expected.seed_sd**2)


def plan_ladder(
    budget: float,
    unit: str,
    target: float,
    *,
    mixes: int = 1,
    margin: float = 2.0,
    expected: Expected | None = None,
    attained: float | None = None,
) -> tuple[LadderPlan, ...]:
    """Return ladders under the budget, the sharpest forecast first and none dominated (dearer and vaguer).

    Parameters
    ----------
    budget, unit : float, str
        Device-hours (:data:`DEVICES`) or ``flops``.
    target : float
        Non-embedding parameters of the size to be forecast.
    mixes : int
        All run at every size.
    margin : float
        Tokens of a run over its expected takeoff, above 1.
    expected : Expected, optional
        The law believed in beforehand.
    attained : float, optional
        Share of the device's peak that training attains.

    Raises
    ------
    UserError
        For an unknown unit, or when no ladder of four sizes fits.
    """
    law = expected or Expected()
    rate = _rate(unit, attained)
    if not budget > 0:
        raise UserError(f"`budget` is {budget:g} {unit}; expected more than 0, such as 1600")
    if not margin > 1:
        raise UserError(f"`margin` is {margin:g}; expected more than 1: training goes on beyond the takeoff")
    if mixes < 1:
        raise UserError(f"`mixes` is {mixes}; expected 1 or more")
    found, least = [], math.inf
    for count, factor, top, seeds in product(COUNTS, FACTORS, TOPS, SEEDS):
        sizes = tuple(target * top / factor**k for k in range(count - 1, -1, -1))
        if sizes[0] < target / WIDEST_LADDER:
            continue
        tokens = tuple(margin * law.takeoff(n) for n in sizes)
        flops = mixes * seeds * sum(6 * n * d for n, d in zip(sizes, tokens, strict=True))
        least = min(least, flops / rate)
        if flops / rate > budget:
            continue
        shift = shift_detected(math.hypot(law.seed_sd, law.se), seeds) if mixes > 1 and seeds > 1 else None
        found.append(
            LadderPlan(
                sizes=sizes, tokens=tokens, seeds=seeds, mixes=mixes, flops=flops, cost=flops / rate,
                sd=forecast_sd(sizes, seeds, target, law), shift=shift,
            )
        )  # fmt: skip
    if not found:
        raise UserError(f"no ladder of four sizes fits {budget:g} {unit}; the smallest takes {least:.3g}")
    return _undominated(found)


def _rate(unit: str, attained: float | None) -> float:
    if unit == "flops":
        return 1.0
    if unit not in DEVICES:
        known = (*DEVICES, "flops")
        raise UserError(f"`unit` is '{unit}'; expected one of {', '.join(known)}{nearest(unit, known)}")
    device = DEVICES[unit]
    if attained is not None and not 0 < attained <= 1:
        raise UserError(f"`attained` is {attained:g}; expected a share of the peak, such as 0.4")
    return device.peak * (attained or device.attained) * 3600


def _undominated(found: list[LadderPlan]) -> tuple[LadderPlan, ...]:
    kept: list[LadderPlan] = []
    for plan in sorted(found, key=lambda p: (p.cost, p.sd)):
        if not kept or plan.sd < kept[-1].sd * 0.97:
            kept.append(plan)
    return tuple(reversed(kept))

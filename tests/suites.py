"""Simulated suites of models whose times of crossing are known: sizes and checkpoints of a published suite.

Eight sizes from 18.9M to 11.3B non-embedding parameters, one run each, all with one seed; 27 checkpoints (steps 0, 1,
2, 4, ... 512, 1000, 3000, 13000, ... 143000 of 2,097,152 tokens), 5,153 items. Near the takeoff the checkpoints stand a
factor of two to four apart, so that most takeoffs are known by the two checkpoints beside them. A score rises as a
logistic curve in ln tokens to a height that grows with size; it crosses 5 points at the time that the law says, times
exp(shift), common to all runs of a suite, times exp(noise), each run's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import expit, logit

Array = NDArray[np.float64]
SIZES = (18915328, 85056000, 302311424, 805736448, 1208602624, 2517652480, 6444163072, 11327027200)
STEPS = (0, *(2**k for k in range(10)), 1000, *range(3000, 143001, 10000))
TOKENS_PER_STEP = 2097152
ITEMS = 5153
SEED_SD, SHIFT_SD, NOISE_SD = 0.04, 0.1, 0.05
RISE = 0.05
METRIC = "acc"


@dataclass(frozen=True)
class SuiteLaw:
    """Expected tokens at 5 points, ``t0 + c (N / SIZES[0])^-gamma``."""

    name: str
    t0: float
    c: float
    gamma: float

    def log_time(self, n: float) -> float:
        """Return ln T at ``n`` non-embedding parameters."""
        return math.log(self.t0 + self.c * (n / SIZES[0]) ** -self.gamma)


LAWS = (
    SuiteLaw("floor", 1.2e9, 1.8e9, 0.6),
    SuiteLaw("slow floor", 0.9e9, 2.1e9, 0.3),
    SuiteLaw("power", 0.0, 3e9, 0.15),
    SuiteLaw("later", 0.0, 1.6e9, -0.04),
    SuiteLaw("turning", 0.0, 0.0, 0.0),
)
"""``turning`` falls to 806M parameters and then rises again: no law of the family."""


def expected(law: SuiteLaw, n: float) -> float:
    """Return the expected ln T at ``n`` non-embedding parameters."""
    if law.name == "turning":
        return math.log(2.6e9 * (n / SIZES[0]) ** -0.15 + 0.55e9 * (n / SIZES[0]) ** 0.12)
    return law.log_time(n)


@dataclass(frozen=True)
class Suite:
    """A simulated suite: its cube, and the curve of each run."""

    cube: xr.Dataset
    crossing: Callable[[str, float], float]


def suite(law: SuiteLaw, seed: int, tokens: Array | None = None) -> Suite:
    """Simulate a suite; ``crossing(run, rise)`` gives the true ln tokens."""
    rng = np.random.default_rng(seed)
    t = np.array(STEPS, float) * TOKENS_PER_STEP if tokens is None else tokens
    shift = SHIFT_SD * rng.normal()
    width = rng.uniform(0.25, 0.5)
    rows, middles, heights = [], {}, {}
    for i, n in enumerate(SIZES):
        height = 0.3 + 0.45 * i / (len(SIZES) - 1)
        start = expected(law, n) + shift + SEED_SD * rng.normal()
        middle = start - width * float(logit(RISE / height))
        name = f"n{n}"
        middles[name], heights[name] = middle, height
        with np.errstate(divide="ignore"):
            p = height * expit((np.log(t) - middle) / width)
        p = expit(logit(np.clip(p, 1e-12, 1)) + NOISE_SD * rng.normal(size=t.size))
        rows.append(rng.binomial(ITEMS, p) / ITEMS)
    cube = xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), np.tile(t, (len(SIZES), 1))),
            METRIC: (("run", "checkpoint"), np.array(rows), {"metric_kind": "proportion", "trials": ITEMS}),
        },
        coords={"run": list(middles), "n_params_non_embedding": ("run", [float(n) for n in SIZES])},
        attrs={"calque_schema": 1},
    )

    def crossing(run: str, rise: float) -> float:
        return middles[run] + width * float(logit(rise / heights[run]))

    return Suite(cube, crossing)

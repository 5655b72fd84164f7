"""Simulated series of known truth for the tests of phases: curves, schedules and noise, data and truth together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Array = NDArray[np.float64]
END = 5e6


def schedule(kind: str, n: int = 45, end: float = END) -> Array:
    """Checkpoints: log then linear with 0 ("mixed"), "linear", or "log"."""
    if kind == "linear":
        return np.linspace(end / n, end, n)
    if kind == "log":
        return np.geomspace(end / 500, end, n)
    early = int(0.4 * n)
    log = np.geomspace(end / 250, 0.2 * end, early)
    return np.concatenate([[0.0], log, np.linspace(0.2 * end, end, n - early)[1:]])


def log10(tokens: Array) -> Array:
    return np.log10(np.maximum(tokens, 1.0))


def onset(
    tau: float, scale: float, kappa: float = 1.0, top: float = 0.5, floor: float = 0.02
) -> Callable[[Array], Array]:
    """A score that leaves its floor at ``tau`` tokens; ``scale`` in decades."""
    return lambda t: floor + top * -np.expm1(-((np.maximum(0, log10(t) - np.log10(tau)) / scale) ** kappa))


def logistic(middle: float, scale: float, top: float = 0.5, floor: float = 0.02) -> Callable[[Array], Array]:
    return lambda t: floor + top * expit((log10(t) - np.log10(middle)) / scale)


def hump(rise: float, fall: float, high: float = 0.5, low: float = 0.15) -> Callable[[Array], Array]:
    """False copying: rises at ``rise`` tokens, falls from ``high`` to ``low`` around ``fall`` tokens."""
    return lambda t: (
        0.02
        + (high - 0.02)
        * expit((log10(t) - np.log10(rise)) / 0.06)
        * (1 - (1 - low / high) * expit((log10(t) - np.log10(fall)) / 0.08))
    )


NULLS: dict[str, Callable[[Array], Array]] = {
    "flat": lambda t: np.full_like(t, 0.2),
    "linear": lambda t: 0.03 + 0.5 * t / END,
    "saturating": lambda t: 0.03 + 0.5 * -np.expm1(-t / (0.2 * END)),
    "fast_saturating": lambda t: 0.03 + 0.5 * -np.expm1(-t / (0.03 * END)),
    "rational": lambda t: 0.03 + 0.55 * t / (t + 0.1 * END),
    "log_linear": lambda t: 0.03 + 0.1 * np.log1p(t / (0.005 * END)),
    "square_root": lambda t: 0.03 + 0.5 * np.sqrt(t / END),
}
"""Concave in tokens: never a delayed start."""


def ar1(rng: np.random.Generator, n: int, rho: float, sd: float) -> Array:
    e = rng.standard_normal(n)
    u = np.empty(n)
    u[0] = e[0]
    for i in range(1, n):
        u[i] = rho * u[i - 1] + np.sqrt(1 - rho**2) * e[i]
    return sd * u


def counts(
    rng: np.random.Generator, curve: Array, trials: int, rho: float = 0.6, sd: float = 0.3, shock: Array | None = None
) -> Array:
    """Counts whose expectation follows ``curve``: a logit-scale AR(1) shift, then binomial draws."""
    u = ar1(rng, len(curve), rho, sd) if shock is None else shock
    return rng.binomial(trials, expit(logit(curve) + u + centring(curve, sd))).astype(float)


def centring(curve: Array, sd: float) -> Array:
    """The shift of the logit that keeps the mean at ``curve`` under normal noise (Newton on Gauss-Hermite nodes)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    weights = weights / weights.sum()
    m = np.zeros_like(curve)
    for _ in range(20):
        p = expit((logit(curve) + m)[:, None] + sd * nodes)
        m -= (p @ weights - curve) / ((p * (1 - p)) @ weights)
    return m


def crossing(curve: Callable[[Array], Array], tokens: Array, rise: float = 0.05) -> float:
    """True takeoff: tokens at which ``curve`` is ``rise`` above its value at the first checkpoint."""
    grid = np.geomspace(max(tokens[tokens > 0][0] / 2, 1.0), tokens[-1], 200_001)
    above = curve(grid) >= curve(tokens[:1])[0] + rise
    return float(grid[above.argmax()]) if above.any() else np.inf


def overtaking(first: Callable[[Array], Array], second: Callable[[Array], Array], tokens: Array) -> float:
    """Tokens at which ``second`` overtakes ``first`` for good; inf when it does not."""
    grid = np.geomspace(tokens[tokens > 0][0], tokens[-1], 200_001)
    above = second(grid) > first(grid)
    if not above[-1] or above.all():
        return np.inf
    return float(grid[len(grid) - above[::-1].argmin()])


def clustered_items(
    rng: np.random.Generator,
    curve: Array,
    concepts: int,
    each: int,
    persistence: float,
    rho: float = 0.6,
    sd: float = 0.2,
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Item successes (checkpoint, item) and the concept of each item, whose mean over these items follows ``curve``.

    Items of a concept share most of their latent score at each checkpoint; a share ``persistence`` of it lasts. The
    lasting part is known, so that the rate of each checkpoint is solved for these very items.
    """
    from scipy.special import ndtr

    concept = np.repeat(np.arange(concepts), each)
    lasting = np.sqrt(0.6) * rng.standard_normal(concepts)[concept] + np.sqrt(0.4) * rng.standard_normal(len(concept))
    rate = expit(logit(curve) + ar1(rng, len(curve), rho, sd) + centring(curve, sd))
    out = np.empty((len(curve), len(concept)), bool)
    p = max(persistence, 1e-9)
    for i, r in enumerate(rate):
        low, high = -12.0, 12.0
        for _ in range(50):
            middle = 0.5 * (low + high)
            mean = ndtr((middle - np.sqrt(p) * lasting) / np.sqrt(1 - p)).mean()
            low, high = (middle, high) if mean < r else (low, middle)
        new = np.sqrt(0.6) * rng.standard_normal(concepts)[concept] + np.sqrt(0.4) * rng.standard_normal(len(concept))
        out[i] = np.sqrt(p) * lasting + np.sqrt(1 - p) * new < middle
    return out, concept

"""Fitting a law of transition time to runs: the most likely parameters, and all that the runs allow.

Runs, never checkpoints, are what is counted: one run gives one time. Intervals are quantiles of draws from
the likelihood under weak priors (see :mod:`calque.scaling.laws.likelihood`, :mod:`calque.scaling.laws.floor`), which
with few runs keeps its coverage where a bootstrap of three or five runs cannot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import chi2

from calque.data.quantities import format_count
from calque.scaling.laws.ensemble import sample
from calque.scaling.laws.likelihood import LOG_SIGMA, SIGMA_BOUNDS, log_likelihood, log_prior_sigma, penalised
from calque.scaling.laws.registry import Law, law
from calque.scaling.observations import Data, Observation, arrays, sizes

Array = NDArray[np.float64]
WALKERS = 40
FLAT_LEVEL = 0.9


@dataclass(frozen=True, kw_only=True)
class ScalingFit:
    """A law fitted to transition times.

    Attributes
    ----------
    law, formula : str
        Its name and formula.
    outcome : str
        ``found``, ``too_few_points``, ``censored`` (no run has got there), ``not_sharply_located`` (a flat
        profile) or ``not_converged``.
    reason : str
        The outcome as a sentence.
    parameters : dict
        The formula's parameters at the maximum; empty where nothing was fitted.
    intervals : dict
        Their intervals at ``level``.
    covariance : array
        Of the parameters over the draws, in the order of ``parameters``.
    residuals : array
        ln T minus the law, of the located runs in the order of ``data``.
    seed_sd : float
        SD of ln T between runs of one size.
    converged : bool
        Whether search and sampler ended well.
    data : tuple of Observation
        All runs, used or not.
    flat : bool
        Whether the data tell a floor from a power law at all (floor law only).
    reference : float
        The size at which ``theta``'s first coordinate is the log time.
    theta : array
        The maximum in the law's coordinates.
    draws : array, shape (k, p + 1)
        Draws of (theta, ln sigma).
    """

    law: str
    formula: str
    outcome: str
    reason: str
    level: float
    data: tuple[Observation, ...]
    parameters: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    covariance: Array = field(default_factory=lambda: np.empty((0, 0)))
    residuals: Array = field(default_factory=lambda: np.empty(0))
    seed_sd: float = math.nan
    converged: bool = False
    flat: bool = False
    reference: float = math.nan
    theta: Array = field(default_factory=lambda: np.empty(0))
    draws: Array = field(default_factory=lambda: np.empty((0, 0)))

    def log_time(self, n: float) -> Array:
        """Return the draws' ln T at ``n`` non-embedding parameters, without the scatter between runs."""
        return law(self.law).log_time(self.draws[:, :-1], np.log([n / self.reference]))[:, 0]

    def predict(self, n: float | Array) -> Array:
        """Return T in tokens at the maximum of the likelihood."""
        u = np.log(np.atleast_1d(np.asarray(n, float)) / self.reference)
        return np.exp(law(self.law).log_time(self.theta, u))

    def to_dict(self) -> dict[str, Any]:
        """Return what a JSON report holds; absent values are None."""
        located = iter(self.residuals)
        return {
            "law": self.law,
            "formula": self.formula,
            "outcome": self.outcome,
            "reason": self.reason,
            "parameters": {
                name: {"estimate": value, "low": self.intervals[name][0], "high": self.intervals[name][1]}
                for name, value in self.parameters.items()
            },
            "level": self.level,
            "covariance": self.covariance.tolist() or None,
            "seed_sd": None if math.isnan(self.seed_sd) else self.seed_sd,
            "converged": self.converged,
            "residuals": [{"run": o.run, "residual": float(next(located))} for o in self.data if o.kind == "located"]
            if self.residuals.size
            else [],
        }


def fit(
    observations: Sequence[Observation],
    name: str,
    *,
    level: float = 0.95,
    draws: int = 4000,
    seed: int = 0,
    need: int | None = None,
    quick: bool = False,
) -> ScalingFit:
    """Fit the law ``name``.

    Parameters
    ----------
    observations : sequence of Observation
        One a run.
    name : str
        ``power`` or ``floor``.
    level : float
        Of the intervals.
    draws : int
        Draws of the parameters.
    seed : int
        Of the sampler.
    need : int, optional
        Distinct sizes required; the law's own number when not given.
    quick : bool
        For repeated fits: a coarse search, and no question whether the law's shape is identified.

    Returns
    -------
    ScalingFit
        Too few sizes are an outcome, not an error.
    """
    chosen = law(name)
    observations = tuple(observations)
    refused = refuse(f"{name} law", observations, need or chosen.sizes)
    if refused is not None:
        outcome, reason = refused
        return ScalingFit(
            law=name, formula=chosen.formula, outcome=outcome, reason=reason, level=level, data=observations
        )
    data = arrays(observations)
    reference = float(data.n[data.located].max())
    best, ok = _maximise(chosen, data, reference, rounds=1 if quick else 5)
    points, acceptance = _draw(chosen, data, reference, best, draws, np.random.default_rng(seed))
    theta, public = best[:-1], chosen.public(points[:, :-1], reference)
    tails = np.quantile(public, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    flat = not quick and _is_flat(chosen, data, reference, best)
    converged = ok and 0.1 < acceptance < 0.95
    outcome, reason = (
        "found",
        f"{chosen.formula} fitted to {int(data.located.sum())} located runs of {data.n.size}",
    )
    if not converged:
        outcome, reason = (
            "not_converged",
            "the search or the sampler did not settle; the parameters are no estimate",
        )
    elif flat:
        outcome = "not_sharply_located"
        reason = (
            "the runs do not tell a floor from a power law: at 90 % neither T0 = 0 nor T0 = 0.95 T(largest "
            "size) is "
            "ruled out; sizes further apart or more seeds would"
        )
    return ScalingFit(
        law=name,
        formula=chosen.formula,
        outcome=outcome,
        reason=reason,
        level=level,
        data=observations,
        parameters=dict(zip(chosen.parameters, chosen.public(theta, reference).tolist(), strict=True)),
        intervals={key: (float(low), float(high)) for key, low, high in zip(chosen.parameters, *tails, strict=True)},
        covariance=np.cov(public.T),
        residuals=(data.y - chosen.log_time(theta, np.log(data.n / reference)))[data.located],
        seed_sd=float(np.exp(np.median(points[:, -1]))),
        converged=converged,
        flat=flat,
        reference=reference,
        theta=theta,
        draws=points,
    )


def refuse(what: str, observations: Sequence[Observation], need: int) -> tuple[str, str] | None:
    """Return outcome and reason where fewer than ``need`` sizes are located, None otherwise."""
    located, seen = sizes(observations), sizes(observations, ("located", "right", "left", "interval"))
    if len(located) >= need:
        return None
    if not located and any(o.kind == "right" for o in observations):
        last = max(o.low or 0.0 for o in observations if o.kind == "right")
        return "censored", f"no run had taken off by its last checkpoint ({format_count(last)} tokens at most)"
    have = f"{len(located)} distinct size{'s' * (len(located) != 1)} with a located takeoff"
    if len(seen) > len(located):
        have += f" ({len(seen)} sizes in all)"
    return "too_few_points", f"{have}; the {what} needs {need}"


def _maximise(
    chosen: Law, data: Data, reference: float, fixed: tuple[int, float] | None = None, keep: int = 2, rounds: int = 5
) -> tuple[Array, bool]:
    """Return (theta, ln sigma) of highest penalised likelihood; ``fixed`` pins one coordinate at a value."""
    starts = chosen.starts(float(data.y[data.located].mean()))
    if fixed is not None:
        starts[:, fixed[0]] = fixed[1]
    largest = data.located & (data.n >= data.n[data.located].max() * 0.98)
    starts[:, 0] = data.y[largest].mean()
    values = log_likelihood(chosen, starts, np.full(len(starts), np.log(0.2)), data, reference)
    bounds = [*chosen.bounds, SIGMA_BOUNDS]
    if fixed is not None:
        bounds[fixed[0]] = (fixed[1], fixed[1])
    best, lowest, ok = np.append(starts[0], LOG_SIGMA[0]), np.inf, False
    for i in np.argsort(values)[::-1][:keep]:
        point, before = np.append(starts[i], np.log(0.2)), np.inf
        for _ in range(rounds):
            # Restarted: the scaling learned far away misleads the search when sigma is about to shrink.
            # TNC, not L-BFGS-B: the latter calls threaded BLAS on 4 x 4 matrices, 45 times the time on a busy
            # machine.
            found = minimize(
                penalised, point, args=(chosen, data, reference), jac=True, method="TNC", bounds=bounds,
                options={"maxfun": 400, "ftol": 1e-15, "xtol": 1e-12, "gtol": 1e-9},
            )  # fmt: skip
            point = found.x
            if not found.fun < before - 1e-7:
                break
            before = float(found.fun)
        if found.fun < lowest:
            best, lowest, ok = found.x, float(found.fun), bool(np.isfinite(found.fun))
    return best, ok


def _draw(
    chosen: Law, data: Data, reference: float, best: Array, draws: int, rng: np.random.Generator
) -> tuple[Array, float]:
    lowest, highest = np.array(chosen.bounds).T

    def density(points: Array) -> Array:
        theta = np.clip(chosen.bound(points[:, :-1]), lowest, highest)
        prior = chosen.log_prior(points[:, :-1]) + log_prior_sigma(points[:, -1])
        value = prior + np.where(
            np.isfinite(prior),
            log_likelihood(chosen, theta, np.clip(points[:, -1], -20, 5), data, reference),
            0.0,
        )
        return np.where(np.isfinite(value), value, -np.inf)

    log_sigma = np.clip(best[-1], SIGMA_BOUNDS[0] + 0.2, SIGMA_BOUNDS[1] - 0.2)
    middle = np.append(chosen.free(best[:-1]), log_sigma)
    spread = np.append(np.r_[0.05, np.full(best.size - 2, 0.3)], 0.2)
    if chosen.free(best[:-1])[1] == best[1]:
        spread[1] = 0.05
    start = middle + spread * rng.normal(size=(WALKERS, best.size))
    start[:, -1] = np.clip(start[:, -1], *SIGMA_BOUNDS)
    for _ in range(50):
        bad = ~np.isfinite(density(start))
        if not bad.any():
            break
        start[bad] = middle + 0.5 * (start[bad] - middle)
    points, acceptance = sample(density, start, draws, rng, burn=400, thin=8)
    return np.column_stack([chosen.bound(points[:, :-1]), points[:, -1]]), acceptance


def _is_flat(chosen: Law, data: Data, reference: float, best: Array) -> bool:
    """Whether no value of the floor's share, 0 to .95, is ruled out at 90 % by its profile likelihood."""
    if "phi" not in chosen.coordinates:
        return False
    at = chosen.coordinates.index("phi")
    lowest = penalised(best, chosen, data, reference)[0]
    for phi in (0.0, 0.95, 0.9, 0.75, 0.5, 0.25):
        point, _ = _maximise(chosen, data, reference, fixed=(at, phi), rounds=2)
        if 2 * (penalised(point, chosen, data, reference)[0] - lowest) >= chi2.ppf(FLAT_LEVEL, 1):
            return False
    return True

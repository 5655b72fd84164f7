"""The noise of a real cube, as a truth file states it: for simulated cubes that scatter like it.

``sd`` and ``rho``: the level shift that :mod:`calque.phases.noise.noise` finds about the curve of each metric,
medians over series (rho is weakly known where binomial noise is larger than the shift). ``shared``: how far residuals
of two metrics at one checkpoint agree. ``persistence``: latent correlation of one item's answers at two checkpoints;
``concept``: the part of it that items of one concept have in common. Latent correlations are tetrachoric, from how
often two answers are both right.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from calque.data.cube import OUTCOMES, OVERLAPS
from calque.data.errors import UserError
from calque.phases.dictionary.grid import Dictionary
from calque.phases.series.axis import Axis
from calque.phases.series.metrics import trajectories
from calque.phases.series.trajectory import Trajectory
from calque.scaling.simulate.scores import Noise
from calque.scaling.simulate.truth import METRICS

Array = NDArray[np.float64]
FEWEST, PAIRS = 8, 40
RARE, EDGE = 0.03, 0.1
MOST = 0.97


def noise_like(cube: xr.Dataset) -> Noise:
    """Estimate the noise of a cube with item outcomes.

    Parameters
    ----------
    cube : xarray.Dataset
        Validated, with item outcomes.

    Raises
    ------
    UserError
        When it holds no item outcomes, or no metric with checkpoints enough that rises.
    """
    if "translation_outcome" not in cube.variables:
        raise UserError("`like`: the cube has no item outcomes ('translation_outcome'); expected one that sweeps wrote")
    series = [t for t in trajectories(cube, METRICS) if t.counts and t.n >= FEWEST and not t.constant]
    if not series:
        raise UserError(f"`like`: no metric of the cube has {FEWEST} checkpoints and moves; expected a longer run")
    rho, variance, shared = _levels(series)
    persistence, concept = _items(cube)
    return Noise(
        rho=round(min(rho, MOST), 3), sd=round(float(np.sqrt(variance)), 3), shared=round(shared, 3),
        persistence=round(min(persistence, MOST), 3), concept=round(concept, 3),
    )  # fmt: skip


def _levels(series: Sequence[Trajectory]) -> tuple[float, float, float]:
    """Return rho and variance of the level shifts, medians over series, and the share common to a run's metrics."""
    found: list[tuple[float, float]] = []
    residuals: dict[str, list[tuple[Array, Array, Array]]] = {}
    grids: dict[bytes, Dictionary] = {}
    for t in series:
        key = t.tokens.tobytes()
        if key not in grids:
            grids[key] = Dictionary(Axis.of(t.tokens, "log"))
        fit = grids[key].fit(t)
        _, rho, variance, _ = fit.noise.mean()
        found.append((rho, variance))
        p = np.clip(fit.curve, RARE, 1 - RARE)
        inside = np.where(np.abs(p - 0.5) < 0.5 - EDGE, 1.0, np.nan)
        coin = 1 / (t.effective_trials * p * (1 - p))
        residuals.setdefault(t.run, []).append((t.tokens, inside * (t.y - p) / (p * (1 - p)), coin))
    rho, variance = np.median(found, axis=0)
    return float(rho), float(variance), _shared(residuals)


def _shared(residuals: dict[str, list[tuple[Array, Array, Array]]]) -> float:
    """Return the correlation of two metrics' changes between checkpoints, coin tosses apart, 0 to 1.

    Changes, since a fitted curve follows part of a slow shift.
    """
    products: list[float] = []
    squares: list[float] = []
    for rows in residuals.values():
        for (at, one, coin), (other, two, toss) in combinations(rows, 2):
            _, i, j = np.intersect1d(at, other, return_indices=True)
            a, b = np.diff(one[i]), np.diff(two[j])
            own = (a**2 - coin[i][1:] - coin[i][:-1] + b**2 - toss[j][1:] - toss[j][:-1]) / 2
            seen = np.isfinite(a * b)
            products += (a * b)[seen].tolist()
            squares += own[seen].tolist()
    if len(products) < FEWEST or np.mean(squares) <= 0:
        return Noise().shared
    return float(np.clip(np.mean(products) / np.mean(squares), 0.0, 1.0))


def _items(cube: xr.Dataset) -> tuple[float, float]:
    """Return persistence and the concept's part of it, medians over runs; the defaults where no run can tell."""
    persistence, concept = [], []
    outcome = cube["translation_outcome"].transpose("run", "checkpoint", "source", "target", "concept")
    overlap = cube["overlap"] if "overlap" in cube.variables else None
    same = np.asarray(cube["source"].values, str)[:, None] == np.asarray(cube["target"].values, str)
    for i in range(cube.sizes["run"]):
        values = np.asarray(outcome[i])
        clean = np.broadcast_to(~same[..., None], values.shape[1:]).copy()
        if overlap is not None:
            one = overlap.isel(run=i) if "run" in overlap.dims else overlap
            clean &= np.asarray(one.transpose("source", "target", "concept")) == OVERLAPS.index("none")
        right = (values == OUTCOMES.index("translated"))[:, clean]
        asked = (values >= 0)[:, clean].all(1)
        of = np.broadcast_to(np.arange(values.shape[-1]), values.shape[1:])[clean]
        rows = right[asked & (right.mean(1) > RARE) & (right.mean(1) < 1 - RARE)] if asked.any() else right[:0]
        if len(rows) < 4:
            continue
        time, word = _latent(rows, of)
        persistence.append(time)
        concept.append(np.clip(word / max(time, 1e-3), 0.0, 1.0))
    if not persistence:
        default = Noise()
        return default.persistence, default.concept
    return float(np.median(persistence)), float(np.median(concept))


def _latent(right: NDArray[np.bool_], of: NDArray[np.int64]) -> tuple[float, float]:
    """Return latent correlations of an item with itself at another checkpoint, and with items of its concept there."""
    count = len(right)
    places = np.unique(np.round(np.linspace(0, count - 1, min(count, 12))).astype(int))
    steps = [(a, b) for a, b in combinations(places, 2) if b - a >= max(2, count // 4)] or [(0, count - 1)]
    labels, member = np.unique(of, return_inverse=True)
    sizes = np.bincount(member).astype(float)
    partners = sizes * (sizes - 1)
    time, word = [], []
    for a, b in steps[:PAIRS]:
        p, q = float(right[a].mean()), float(right[b].mean())
        time.append(tetrachoric(float((right[a] & right[b]).mean()), p, q))
        one, two = (np.bincount(member, weights=right[c], minlength=labels.size) for c in (a, b))
        own = np.bincount(member, weights=right[a] & right[b], minlength=labels.size)
        if partners.sum():
            word.append(tetrachoric(float((one * two - own).sum() / partners.sum()), p, q))
    return max(float(np.median(time)), 0.0), max(float(np.median(word)), 0.0) if word else 0.0


def tetrachoric(both: float, p: float, q: float) -> float:
    """Return the correlation of two standard normals that lie below their quantiles p and q together with ``both``.

    Parameters
    ----------
    both : float
        Probability that both lie below their quantiles.
    p, q : float
        Probabilities of each.
    """
    at = np.array([ndtri(p), ndtri(q)])

    def missing(r: float) -> float:
        return float(multivariate_normal.cdf(at, cov=[[1.0, r], [r, 1.0]])) - both

    low, high = -0.95, 0.99
    if missing(low) > 0:
        return low
    return high if missing(high) < 0 else float(brentq(missing, low, high, xtol=1e-4))

r"""Two metrics of one run: how much later one took off (lag), and where one overtakes the other (crossover).

Lag: with :math:`D_A(t)` the least excess residual sum of squares over curves of A that take off at t, the interval of
:math:`\delta = \ln t_B - \ln t_A` is :math:`\{\delta : \min_t D_A(t) + D_B(t + \delta) - \min \le c\}`: one joint
interval, not a comparison of two. c comes from joint replicates in which the two metrics share the checkpoints' shocks
with the correlation that their residuals show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phases.analyse import Analysis, generator, takeoff_of
from phases.axis import Array
from phases.fit import FITTED, Fit
from phases.location import LARGEST_CUT, averaged, least_cut
from phases.noise import VARIANTS, amplitudes

BIN = 0.02
"""Width of the bins of ln tokens on which profiles are kept: 0.009 decades."""
MOST = 900
FAR = 1e6


@dataclass(frozen=True)
class LagEstimate:
    """ln(second/first) with its joint interval (infinite where open) and the p-value of "no lag"."""

    log_ratio: float
    low: float
    high: float
    p_value: float
    correlation: float


@dataclass(frozen=True)
class Crossing:
    """Tokens at which the second curve overtakes the first; infinite or zero ends are open."""

    tokens: float
    low: float
    high: float
    share: float


class Side:
    """One of the two series, with its plausible candidates ready to be profiled by takeoff."""

    def __init__(self, a: Analysis) -> None:
        assert a.fit is not None and a.curves is not None
        self.analysis, self.fit = a, a.fit
        order = np.argsort(a.fit.rss, kind="stable")
        if len(order) > MOST:
            near = order[: MOST // 2]
            order = np.concatenate([near, order[np.linspace(MOST // 2, len(order) - 1, MOST - len(near)).astype(int)]])
        self.kept = order
        self.x = takeoff_of(a)
        self.tokens = np.log(np.maximum(a.fit.axis.to_tokens(self.x), 1e-300))
        self.risen = a.curves.risen[:, order]
        self.at = np.log(np.maximum(a.fit.axis.to_tokens(a.curves.x), 1e-300))
        self.spread = a.fit.spread

    def profile(self, edges: Array) -> Array:
        """Return the excess rss (bins,) of the data by bin of takeoff."""
        excess = (self.fit.rss - self.fit.rss.min()) / self.spread
        return _valley(_lowest(np.searchsorted(edges, self.tokens)[:, None], excess[:, None], len(edges) + 1))

    def profiles(self, y: Array, edges: Array) -> Array:
        """Return the same for replicates: (bins, B)."""
        rss, b = self.fit.against(y)
        rss, b = rss[self.kept], b[self.kept]
        n = self.fit.trajectory.n
        excess = (rss - rss.min(0)) / np.maximum(1.0, rss.min(0) / max(n - FITTED, 3))
        if self.analysis.trajectory.proportion:
            when = self._when(self.analysis.rise / np.maximum(b, 1e-12))
        else:
            when = np.broadcast_to(self.tokens[self.kept][:, None], rss.shape)
        return _valley(_lowest(np.searchsorted(edges, when), excess, len(edges) + 1))

    def _when(self, level: Array) -> Array:
        """Return ln tokens at which each kept candidate reaches its ``level`` (m, B), by bisection."""
        m, column = len(self.at), np.arange(level.shape[0])[:, None]
        low, high = np.zeros(level.shape, int), np.full(level.shape, m - 1)
        for _ in range(int(np.ceil(np.log2(m))) + 1):
            middle = (low + high) // 2
            reached = self.risen[middle, column] >= level
            high, low = np.where(reached, middle, high), np.where(reached, low, middle)
        below = self.risen[low, column]
        step = np.maximum(self.risen[high, column] - below, 1e-12)
        w = np.clip((level - below) / step, 0, 1)
        out = self.at[low] + w * (self.at[high] - self.at[low])
        return np.where(level <= self.risen[-1][:, None], out, np.inf)


def _lowest(bins: NDArray[np.integer], values: Array, m: int) -> Array:
    """Return the least value in each bin, column by column: (m, B)."""
    out = np.full((m, values.shape[1]), FAR)
    flat = np.asarray(bins, np.int64) * values.shape[1] + np.arange(values.shape[1])
    np.minimum.at(out.reshape(-1), flat.ravel(), values.ravel())
    return out


def _valley(profile: Array) -> Array:
    """Fill bins that no candidate fell into, so that the profile has no bumps on the way out from its least bin."""
    down = np.minimum.accumulate(profile, axis=0)
    up = np.minimum.accumulate(profile[::-1], axis=0)[::-1]
    return np.asarray(np.maximum(down, up))


def lag(first: Analysis, second: Analysis, *, boot: int, level: float, seed: int) -> LagEstimate | None:
    """Return how much later ``second`` took off than ``first``; None when either never takes off within the run."""
    a, b = Side(first), Side(second)
    truth = float(b.tokens[b.fit.best]) - float(a.tokens[a.fit.best]) if _takes_off(a) and _takes_off(b) else np.inf
    if not np.isfinite(truth):
        return None
    rng = generator(seed, "lag", first.trajectory.key, second.trajectory.key)
    ya, yb, r = joint_replicates(first, second, boot, rng)
    finite = np.concatenate([side.tokens[np.isfinite(side.tokens)] for side in (a, b)])
    edges = np.arange(finite.min() - BIN, finite.max() + 2 * BIN, BIN)
    reach = len(edges)
    bins = np.arange(-reach, reach + 1)
    da, db = a.profile(edges), b.profile(edges)
    # the last bin holds curves that take off after the end: their lag is unknown, never a number
    excess = np.array([_combined(da, db, int(d))[0] for d in bins])
    excess -= excess.min()
    middle = int(np.clip(round(truth / BIN), -reach, reach))
    need = _combined(a.profiles(ya, edges), b.profiles(yb, edges), middle)
    cut = max(float(np.quantile(np.minimum(need, LARGEST_CUT), level)), least_cut(level))
    inside = bins[excess <= cut]
    at = _median(b) - _median(a)
    low, high = (inside[0] - 0.5) * BIN, (inside[-1] + 0.5) * BIN
    open_first, open_second = _open(da, cut), _open(db, cut)
    low, high = min(low, at), max(high, at)
    zero = float(excess[reach])
    p = (1 + int((need >= zero).sum())) / (1 + boot)
    if p > 1 - level:
        # the cut is bounded by the curves at hand: the test decides whether "no lag" is excluded
        low, high = min(low, 0.0), max(high, 0.0)
    return LagEstimate(at, -np.inf if open_first else low, np.inf if open_second else high, p, r)


def _open(profile: Array, cut: float) -> bool:
    """Return whether curves that never take off within the run are plausible."""
    return bool(profile[-1, 0] - profile.min() <= cut)


def _takes_off(side: Side) -> bool:
    return bool(np.isfinite(side.tokens[side.fit.best]) and np.isfinite(_median(side)))


def _median(side: Side) -> float:
    return averaged(side.tokens, (side.fit.rss - side.fit.rss.min()) / side.spread)


def _combined(da: Array, db: Array, d: int) -> Array:
    """Return min over t of D_A(t) + D_B(t + d), without the bin of curves that never take off: (B,)."""
    m = len(da) - 1
    if abs(d) >= m:
        return np.full(da.shape[1], FAR)
    return np.asarray((da[max(0, -d) : m - max(0, d)] + db[max(0, d) : m + min(0, d)]).min(0))


def joint_replicates(
    first: Analysis, second: Analysis, boot: int, rng: np.random.Generator
) -> tuple[Array, Array, float]:
    """Return replicates of both series around their best curves, with shared shocks, and their correlation."""
    fa, fb = first.fit, second.fit
    assert fa is not None and fb is not None
    ta, tb = first.trajectory, second.trajectory
    r = shock_correlation(fa, fb)
    union = np.union1d(ta.index, tb.index)
    shared = rng.standard_normal((len(union), boot))
    out = []
    for fit, sign in ((fa, 1.0), (fb, float(np.sign(r)))):
        own = rng.standard_normal((fit.trajectory.n, boot))
        common = shared[np.searchsorted(union, fit.trajectory.index)]
        shocks = sign * np.sqrt(abs(r)) * common + np.sqrt(1 - abs(r)) * own
        out.append(fit.noise.draw(rng, boot, shocks).around(fit.curve))
    return out[0], out[1], r


def shock_correlation(fa: Fit, fb: Fit) -> float:
    """Return the correlation of the two latent shifts, from the residuals at common checkpoints."""
    _, ia, ib = np.intersect1d(fa.trajectory.index, fb.trajectory.index, return_indices=True)
    if len(ia) < 4:
        return 0.0
    shifts = []
    for fit, i in ((fa, ia), (fb, ib)):
        k, _, s2, phi = fit.noise.mean()
        _, amplitude = amplitudes(fit.trajectory, fit.curve, VARIANTS[k][1])
        shifts.append(((fit.trajectory.y - fit.curve)[i], (np.sqrt(phi * s2) * amplitude)[i]))
    (ra, sa), (rb, sb) = shifts
    size = float((sa * sb).mean())
    return float(np.clip((ra * rb).mean() / size, -0.95, 0.95)) if size > 1e-15 else 0.0


def crossover(first: Analysis, second: Analysis, *, boot: int, level: float, seed: int) -> Crossing | None:
    """Return where ``second`` overtakes ``first`` for the last time, with a percentile interval; None if it never does.

    ``share`` is the share of replicates in which it does.
    """
    assert first.curves is not None and second.curves is not None
    rng = generator(seed, "crossover", first.trajectory.key, second.trajectory.key)
    ya, yb, _ = joint_replicates(first, second, boot, rng)
    x = first.curves.x
    fa, ga = _level_curves(first, ya, x)
    fb, gb = _level_curves(second, yb, x)
    at = float(_overtakes(x, (fb - fa)[:, None])[0])
    if not np.isfinite(at):
        return None
    draws = _overtakes(x, gb - ga)
    tail = (1 - level) / 2
    low, high = np.quantile(np.nan_to_num(draws, posinf=1e9), [tail, 1 - tail])
    axis = first.curves.fit.axis
    left, right = axis.bracket(at)
    high = np.inf if high > 1e8 else max(high, right)
    tokens = axis.to_tokens(np.array([at, min(low, left), high]))
    return Crossing(float(tokens[0]), float(tokens[1]), float(tokens[2]), float(np.isfinite(draws).mean()))


def _level_curves(a: Analysis, y: Array, x: Array) -> tuple[Array, Array]:
    """Return the best curve at ``x`` (f,) for the data, and for each replicate (f, B)."""
    assert a.fit is not None
    fit = a.fit
    rss, b = fit.against(y)
    best = rss.argmin(0)
    chosen, of = np.unique(np.append(best, fit.best), return_inverse=True)
    u = fit.candidates.at(x, chosen)
    at = fit.candidates.columns[:, chosen]
    one = fit.whiten.inverse.sum(1)
    weight = fit.whiten.inverse.T @ one / (one @ one)
    amplitude = np.append(b[best, np.arange(len(best))], fit.amplitude[fit.best])
    data = np.column_stack([y, fit.trajectory.y])
    level = weight @ (data - at[:, of] * amplitude)
    curves = level + u[:, of] * amplitude
    return curves[:, -1], curves[:, :-1]


def _overtakes(x: Array, difference: Array) -> Array:
    """Return where each ``difference`` (f, B) turns positive for good; inf where it is not positive at the end."""
    positive = difference > 0
    since = positive[::-1].argmin(0)
    never_below = positive.all(0)
    i = np.clip(len(x) - since, 1, len(x) - 1)
    column = np.arange(difference.shape[1])
    before, after = difference[i - 1, column], difference[i, column]
    step = np.where(after - before > 1e-15, after - before, 1.0)
    at = x[i - 1] + np.clip(-before / step, 0, 1) * (x[i] - x[i - 1])
    return np.where(positive[-1], np.where(never_below, x[0], at), np.inf)

r"""Two metrics of one run: how much later one took off than the other.

Lag: with :math:`D_A(t)` the least excess residual sum of squares over curves of A that take off at t, the interval of
:math:`\delta = \ln t_B - \ln t_A` is :math:`\{\delta : \min_t D_A(t) + D_B(t + \delta) - \min \le c\}`: one joint
interval, not a comparison of two. c comes from joint replicates in which the two metrics share the checkpoints' shocks
with the correlation that their residuals show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from calque.phases.detection.analyse import Analysis
from calque.phases.detection.fitting import without_constant
from calque.phases.detection.locations import takeoffs
from calque.phases.dictionary.fit import FITTED, Fit
from calque.phases.dictionary.location import LARGEST_CUT, averaged, least_cut
from calque.phases.dictionary.takeoff_profile import least_by_takeoff
from calque.phases.generators import generator
from calque.phases.noise.variants import VARIANTS, amplitudes
from calque.phases.series.axis import Array

BIN = 0.01
"""Width of the bins of ln tokens on which profiles are kept: 0.004 decades."""
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


class Side:
    """One of the two series, with its plausible candidates ready to be profiled by takeoff.

    Parameters
    ----------
    a : Analysis
        The series as analysed.
    """

    def __init__(self, a: Analysis) -> None:
        self.analysis, self.fit = a, a.rising
        order = np.argsort(self.fit.rss, kind="stable")
        if len(order) > MOST:
            near = order[: MOST // 2]
            order = np.concatenate([near, order[np.linspace(MOST // 2, len(order) - 1, MOST - len(near)).astype(int)]])
        self.kept = order
        self.x = takeoffs(a.curves, a.rising.amplitude, a.rise, a.trajectory.proportion)
        self.tokens = np.log(np.maximum(self.fit.axis.to_tokens(self.x), 1e-300))
        self.risen = np.ascontiguousarray(a.curves.risen[:, order].T)
        self.at = np.log(np.maximum(self.fit.axis.to_tokens(a.curves.x), 1e-300))

    def profile(self, first: float, bins: int) -> Array:
        """Return the excess rss (bins + 1, 1) of the data by bin of takeoff; the last bin never takes off.

        Parameters
        ----------
        first : float
            ln tokens at which the bins begin.
        bins : int
            Number of bins.
        """
        out = np.full((bins + 1, 1), FAR)
        finite = np.isfinite(self.tokens)
        where = np.full(len(self.tokens), bins)
        where[finite] = np.clip((self.tokens[finite] - first) / BIN, 0, bins - 1).astype(int)
        np.minimum.at(out[:, 0], where, self.fit.excess)
        return _valley(out)

    def profiles(self, errors: Array, first: float, bins: int) -> tuple[Array, Array]:
        """Return the same for replicates with the noise ``errors`` (n, B) around the best curve: (bins + 1, B).

        The second array is the excess (B,) of that curve itself.

        Parameters
        ----------
        errors : array, shape (n, B)
            Noise.
        first : float
            ln tokens at which the bins begin.
        bins : int
            Number of bins.
        """
        fit = self.fit
        n = fit.trajectory.n
        whitened = without_constant(self.analysis.fit.whiten.raw(errors)[:n], fit.whiten)
        centre = fit.whiten(fit.candidates.columns[:, fit.best] * fit.amplitude[fit.best])
        rss, b = fit.against(whitened + centre[:, None])
        least = rss.min(0)
        if self.analysis.trajectory.proportion:
            lowest = least_by_takeoff(
                rss[self.kept], b[self.kept], self.risen, self.at, self.analysis.rise, first, BIN, bins
            )
        else:
            when = np.where(np.isfinite(self.tokens), np.clip((self.tokens - first) / BIN, 0, bins - 1), bins).astype(
                int
            )
            lowest = np.full((bins + 1, rss.shape[1]), np.inf)
            for k in np.unique(when):
                lowest[k] = rss[when == k].min(0)
        spread = np.maximum(1.0, least / max(n - FITTED, 3))
        itself = ((whitened * whitened).sum(0) + fit.candidates.extra[fit.best] - least) / spread
        return _valley(np.minimum((lowest - least) / spread, FAR)), np.maximum(itself, 0.0)


def _valley(profile: Array) -> Array:
    """Fill bins that no candidate fell into, so that the profile has no bumps on the way out from its least bin."""
    down = np.minimum.accumulate(profile, axis=0)
    up = np.minimum.accumulate(profile[::-1], axis=0)[::-1]
    return np.asarray(np.maximum(down, up))


def lag(first: Analysis, second: Analysis, *, boot: int, level: float, seed: int) -> LagEstimate | None:
    """Return how much later ``second`` took off than ``first``; None when either never takes off within the run.

    Parameters
    ----------
    first : Analysis
        Of the metric that the lag starts from.
    second : Analysis
        Of the other metric of the same run.
    boot : int
        Bootstrap replicates.
    level : float
        Coverage of intervals, such as 0.95; tests are at 1 - level.
    seed : int
        Generators follow from it and from names.
    """
    a, b = Side(first), Side(second)
    truth = float(b.tokens[b.fit.best]) - float(a.tokens[a.fit.best]) if _takes_off(a) and _takes_off(b) else np.inf
    if not np.isfinite(truth):
        return None
    rng = generator(seed, "lag", first.trajectory.key, second.trajectory.key)
    ea, eb, r = joint_errors(first, second, boot, rng)
    finite = np.concatenate([side.tokens[np.isfinite(side.tokens)] for side in (a, b)])
    start = float(finite.min()) - BIN
    reach = int((float(finite.max()) - start) / BIN) + 2
    bins = np.arange(-reach, reach + 1)
    da, db = a.profile(start, reach), b.profile(start, reach)
    # the last bin holds curves that take off after the end: their lag is unknown, never a number
    excess = np.array([_combined(da, db, int(d))[0] for d in bins])
    excess -= excess.min()
    # positions that are not a whole number of bins apart may fall as many bins apart as either number next to that
    near = [int(np.clip(of(truth / BIN), -reach, reach)) for of in (np.floor, np.ceil)]
    (pa, ta), (pb, tb) = a.profiles(ea, start, reach), b.profiles(eb, start, reach)
    need = np.minimum(np.minimum(*(_combined(pa, pb, d) for d in near)), ta + tb)
    cut = max(float(np.quantile(np.minimum(need, LARGEST_CUT), level)), least_cut(level))
    inside = bins[excess <= cut]
    at = _median(b) - _median(a)
    low, high = (inside[0] - 1) * BIN, (inside[-1] + 1) * BIN
    open_first, open_second = _open(da, cut), _open(db, cut)
    low, high = min(low, at), max(high, at)
    zero = float(excess[reach - 1 : reach + 2].min())  # pairs that take off together to within a bin
    # never less than the law that both cut and test go over to with many checkpoints
    p = max((1 + int((need >= zero).sum())) / (1 + boot), float(chi2.sf(zero, 1)))
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
    return averaged(side.tokens, side.fit.excess)


def _combined(da: Array, db: Array, d: int) -> Array:
    """Return min over t of D_A(t) + D_B(t + d), without the bin of curves that never take off: (B,)."""
    m = len(da) - 1
    if abs(d) >= m:
        return np.full(da.shape[1], FAR)
    return np.asarray((da[max(0, -d) : m - max(0, d)] + db[max(0, d) : m + min(0, d)]).min(0))


def joint_errors(first: Analysis, second: Analysis, boot: int, rng: np.random.Generator) -> tuple[Array, Array, float]:
    """Return simulated noise (n, B) of both series, with shared shocks, and the correlation of these.

    Parameters
    ----------
    first : Analysis
        Of one series.
    second : Analysis
        Of another series of the same run.
    boot : int
        Replicates B.
    rng : numpy.random.Generator
        Where the draws come from.
    """
    fa, fb = first.fit, second.fit
    ta, tb = first.trajectory, second.trajectory
    r = shock_correlation(fa, fb)
    union = np.union1d(ta.index, tb.index)
    shared = rng.standard_normal((len(union), boot))
    out = []
    for fit, sign in ((fa, 1.0), (fb, float(np.sign(r)))):
        own = rng.standard_normal((fit.trajectory.n, boot))
        common = shared[np.searchsorted(union, fit.trajectory.index)]
        shocks = sign * np.sqrt(abs(r)) * common + np.sqrt(1 - abs(r)) * own
        out.append(fit.noise.draw(rng, boot, shocks).around(fit.curve) - fit.curve[:, None])
    return out[0], out[1], r


def shock_correlation(fa: Fit, fb: Fit) -> float:
    """Return the correlation of the two latent shifts, from the residuals at common checkpoints.

    Parameters
    ----------
    fa : Fit
        Of one series.
    fb : Fit
        Of another series of the same run.
    """
    _, ia, ib = np.intersect1d(fa.trajectory.index, fb.trajectory.index, return_indices=True)
    if len(ia) < 4:
        return 0.0
    shifts = []
    for fit, i in ((fa, ia), (fb, ib)):
        k, _, s2, phi = fit.noise.mean()
        _, amplitude = amplitudes(fit.trajectory, fit.curve, VARIANTS[k])
        shifts.append(((fit.trajectory.y - fit.curve)[i], (np.sqrt(phi * s2) * amplitude)[i]))
    (ra, sa), (rb, sb) = shifts
    size = float((sa * sb).mean())
    return float(np.clip((ra * rb).mean() / size, -0.95, 0.95)) if size > 1e-15 else 0.0

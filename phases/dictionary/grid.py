"""The dictionary on one schedule of checkpoints: a coarse grid built once, refined around each series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from calque.phases.dictionary.averaged_noise import averaged_noise
from calque.phases.dictionary.candidates import Candidates
from calque.phases.dictionary.distinct import distinct
from calque.phases.dictionary.fit import Fit, average, residuals, tangents
from calque.phases.dictionary.refine import refine
from calque.phases.noise.likelihood import profile_likelihood, restricted_likelihood
from calque.phases.noise.noise import Noise
from calque.phases.noise.products import Products
from calque.phases.noise.variants import FLOORS, VARIANTS, amplitudes
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array, Axis
from calque.phases.series.trajectory import Trajectory
from calque.phases.shapes import FAMILIES
from calque.phases.stats.cone import Cone

FALL_EVIDENCE = 15.0
"""Twice the log-likelihood that a decline after the peak must gain over growth alone (it spends three parameters)."""
FALL_SUSPECTED = 2.0
"""The same on the coarse grid, below which a decline is not pursued."""
THINNED = 3
"""Of the coarse curves of five parameters, one in this many is fitted to replicates."""
AS_LIKELY = 12.0
"""Difference in twice the log-likelihood that refining may still remove."""
DIFFERENT_RHO = 0.2
REFITS = 2
"""Rounds of refining the curves and estimating the noise in turn."""


@dataclass(frozen=True, eq=False)
class Start:
    """Noise and likelihood after the coarse grid, with the floor of the first guess."""

    floor: float
    noise: Noise
    whiten: Whitener
    likelihood: float

    def rivals(self, other: Start) -> bool:
        """Whether this start is nearly as likely as another one and has a different noise.

        Parameters
        ----------
        other : Start
            The other start.

        Returns
        -------
        bool
            Whether both should be refined.
        """
        (k, rho, *_), (of, other_rho, *_) = self.noise.mean(), other.noise.mean()
        differs = VARIANTS[k].floor != VARIANTS[of].floor or abs(rho - other_rho) > DIFFERENT_RHO
        return differs and other.likelihood - self.likelihood < AS_LIKELY


class Dictionary:
    """The coarse grid of all families on one checkpoint schedule; build once, use for every series on it.

    Parameters
    ----------
    axis : Axis
        The checkpoints.
    """

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.theta = {name: family.grid(axis) for name, family in FAMILIES.items()}
        self.growing = tuple(name for name, family in FAMILIES.items() if not family.falls)
        self.falling = tuple(name for name, family in FAMILIES.items() if family.falls)
        self.coarse = {
            names: Candidates.of(axis, {name: self.theta[name] for name in names})
            for names in (self.growing, self.falling)
        }

    @cached_property
    def everywhere(self) -> Candidates:
        """Growing curves of all kinds, which are fitted to replicates.

        Near copies of others are left out, and of the curves of five parameters two of three. Curves of up to three
        come first; there are ``n_simple`` of them.
        """
        grown = self.coarse[self.growing]
        simple, large = np.flatnonzero(grown.extra == 0), np.flatnonzero(grown.extra > 0)[::THINNED]
        return grown.take(np.concatenate([part[distinct(grown.columns[:, part])] for part in (simple, large)]))

    @cached_property
    def fallen(self) -> Candidates:
        """Curves that fall again, without near copies."""
        coarse = self.coarse[self.falling]
        return coarse.take(distinct(coarse.columns))

    @cached_property
    def n_simple(self) -> int:
        """Number of curves of up to three parameters in ``everywhere``: the alternative of the delay test."""
        return int((self.everywhere.extra == 0).sum())

    def widened(self, fit: Fit, errors: Array, products: Products) -> Fit:
        """Add the curves of the whole dictionary that fit some replicate best.

        Curves near the data are too few to fit replicates as freely as the series itself was fitted.

        Parameters
        ----------
        errors : array, shape (n, B)
            Simulated noise, whitened, without the constant.
        products : Products
            Of the curves ``everywhere`` at the covariance of the fit.
        """
        centre = fit.whiten(fit.candidates.columns[:, fit.best] * fit.amplitude[fit.best])
        gain = np.maximum(products.scores(errors + centre[:, None]), np.float32(0.0))
        gain *= gain
        gain -= self.everywhere.extra.astype(np.float32)[:, None]
        best = np.unique(gain.argmax(0))
        more = self.everywhere if fit.axis is self.axis else self.everywhere.until(fit.axis)
        chosen = more.take(best)
        if fit.candidates.extra[fit.best] > 0:
            # a coarse curve of five parameters stands for refined ones near it, which gain as much as they did here
            rough = _against(fit.trajectory, fit.whiten, more)[0][more.extra > 0]
            gained = max(0.0, float(rough.min() - fit.rss.min()))
            chosen = replace(chosen, extra=np.where(chosen.extra > 0, chosen.extra - gained, chosen.extra))
        candidates = fit.candidates.joined(chosen)
        rss, b = _against(fit.trajectory, fit.whiten, candidates)
        return replace(fit, candidates=candidates, rss=rss, amplitude=b)

    def fit(self, t: Trajectory, told: bool = False) -> Fit:
        """Fit a series by growing curves, or by curves that fall again where the data support them.

        A decline can pass for autocorrelated noise and noise for a decline. So the two are compared, each with its own
        noise, and the decline must gain ``FALL_EVIDENCE`` in twice the log-likelihood.

        Parameters
        ----------
        t : Trajectory
            The series, on the dictionary's checkpoints.
        told : bool
            Whether its growth is told from noise already.

        Returns
        -------
        Fit
            Plausible candidates, noise and whitening.
        """
        starts = [self._start(t, self.everywhere, floor) for floor in (FLOORS if t.counts else FLOORS[:1])]
        growing = max(starts, key=lambda start: start.likelihood)
        falling = self._start(t, self.fallen, growing.floor)
        # refining may reverse the order of the starts: where they disagree, their refined fits decide
        others = [s for s in starts if s is not growing and s.rivals(growing)]
        settled = [self._settle(t, self.growing, start, told) for start in (growing, *others)]
        grown = max(settled, key=lambda fit: profile_likelihood(t, fit.curve)) if others else settled[0]
        if falling.likelihood - growing.likelihood <= FALL_SUSPECTED:
            return grown
        fallen = self._settle(t, self.falling, falling, told)
        gain = profile_likelihood(t, fallen.curve) - profile_likelihood(t, grown.curve)
        comes_down = float(fallen.curve.max() - fallen.curve[-1]) > 0
        if gain > FALL_EVIDENCE and comes_down:
            return replace(fallen, declining=True, shortfall=max(0.0, grown.shortfall - gain))
        return grown

    def rise(self, fit: Fit, n: int) -> Fit:
        """Fit growing curves to the first ``n`` checkpoints of a series that declines, with the noise of the whole.

        Parameters
        ----------
        fit : Fit
            Fit of the whole series.
        n : int
            Checkpoints up to the peak.

        Returns
        -------
        Fit
            Growing candidates on these checkpoints.
        """
        part, axis, whiten = fit.trajectory.until(n - 1), self.axis.until(n), fit.whiten.until(n)
        rng = np.random.default_rng(0)
        candidates = self.coarse[self.growing].until(axis)
        for k in range(REFITS):
            candidates = refine(candidates, whiten, part.y, rng, again=k > 0)
        rss, b = _against(part, whiten, candidates)
        return Fit(part, axis, replace(fit.noise, trajectory=part), whiten, candidates, rss, b)

    def one_phase(self, fit: Fit) -> Fit:
        """Fit curves of one wave alone to the series of a fit of growing curves, with its noise."""
        coarse = self.coarse[self.growing]
        start = coarse.take(np.flatnonzero(coarse.extra == 0))
        candidates = start if fit.axis is self.axis else start.until(fit.axis)
        candidates = refine(candidates, fit.whiten, fit.trajectory.y, np.random.default_rng(0))
        rss, b = _against(fit.trajectory, fit.whiten, candidates)
        return replace(fit, candidates=candidates, rss=rss, amplitude=b)

    def _start(self, t: Trajectory, coarse: Candidates, floor: float) -> Start:
        """Return curve and noise from a coarse grid, fitted in turn from a first guess of the noise.

        That can end where the noise explains what the curve should: hence several guesses.
        """
        smooth = _smooth(t.y)
        whiten = _first_guess(t, smooth, floor)
        noise = None
        for _ in range(2):
            rss, b = _against(t, whiten, coarse)
            # halfway to the moving average: a poor first curve below 0 must not make the floor noiseless
            middle = 0.5 * (average(t.y, whiten, coarse.columns, rss, b) + smooth)
            moves = tangents(whiten, coarse.columns, rss, b)
            noise = restricted_likelihood(t, middle, moves, noise.likely if noise else None)
            whiten = noise.whitener(middle)
        assert noise is not None
        curve = whiten.place(t.y, coarse.columns[:, int(rss.argmin())])
        return Start(floor, noise, whiten, profile_likelihood(t, curve))

    def _settle(self, t: Trajectory, names: tuple[str, ...], start: Start, told: bool) -> Fit:
        """Refine curves and noise in turn around the plausible curves of some families."""
        rng = np.random.default_rng(0)
        whiten, noise, candidates = start.whiten, start.noise, self.coarse[names]
        for k in range(REFITS):
            candidates = refine(candidates, whiten, t.y, rng, again=k > 0)
            rss, b = _against(t, whiten, candidates)
            middle = average(t.y, whiten, candidates.columns, rss, b)
            # what was unlikely around the coarse curves is asked again at last alone
            among = noise.likely if k < REFITS - 1 else None
            noise = restricted_likelihood(t, middle, tangents(whiten, candidates.columns, rss, b), among)
            whiten = noise.whitener(middle)
        rss, b = _against(t, whiten, candidates)
        curve = whiten.place(t.y, candidates.columns[:, int(rss.argmin())])
        growing = names == self.growing
        simple = Cone.diminishing(t.tokens, whiten, 1.0) if growing else Cone.never_rising(t.n, whiten)
        averaged = averaged_noise(t, whiten, noise, curve, simple, told)
        if averaged.noise is not noise:
            noise, whiten = averaged.noise, averaged.noise.whitener(middle)
            candidates = refine(candidates, whiten, t.y, rng, again=True)
            rss, b = _against(t, whiten, candidates)
        fit = Fit(t, self.axis, noise, whiten, candidates, rss, b, gain=averaged.gain)
        return replace(fit, shortfall=averaged.shortfall, alone=averaged.alone) if growing else fit


def _against(t: Trajectory, whiten: Whitener, candidates: Candidates) -> tuple[Array, Array]:
    z = whiten(t.y)
    gz, gg = whiten.project(candidates.columns, z)
    return residuals(gz, gg, float(z @ z), candidates.extra)


def _smooth(y: Array) -> Array:
    """Return a moving average over about a fifth of the checkpoints: only the first guess of the variance needs it."""
    half = max(1, len(y) // 10)
    padded = np.pad(y, half, mode="edge")
    return np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), "valid")


def _first_guess(t: Trajectory, curve: Array, floor: float) -> Whitener:
    variant = next(v for v in VARIANTS if v.floor == floor)
    white, shift = amplitudes(t, curve, variant)
    gap = np.diff(t.distances[0])
    if t.counts:
        return Whitener.of(white, shift, 0.5, gap, 0.05)
    size = max(float(np.var(np.diff(t.y))) / 2, 1e-12 * max(1.0, float(np.var(t.y))))
    return Whitener.of(size * white, np.sqrt(size) * shift, 0.5, gap, 1.0)

r"""The delay test where noise may explain the growth: likelihoods over the noises that either explanation finds likely.

Whitened by one noise, a score is compared with simulated ones whose noise wanders more or less than that: the law of
the statistic then has the tail of the worst of them, and nothing is found. So both explanations are given the noise
that suits them, in the series and in every replicate:

.. math:: T(y) = 2 \log \sum_k \max_j L_k(y \mid g_j) - 2 \log \sum_k \max_{h \in C_\gamma} L_k(y \mid h),

:math:`L_k` the restricted likelihood of one of up to ``MOST`` noises, g the growing curves of up to three parameters, C
the cone of diminishing returns. Replicates lie around the nearest member of the cone, with noise drawn from the
posterior that this member leaves.
"""

from __future__ import annotations

import numpy as np

from calque.phases.noise.likelihood import restricted_likelihood
from calque.phases.noise.noise import Noise
from calque.phases.noise.products import Products, largest
from calque.phases.noise.variants import VARIANTS, least_variance
from calque.phases.noise.whitening import Whitener
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.cone import Cone
from calque.phases.stats.monte_carlo import Tested, in_blocks

MOST = 8
APART = 2
"""Steps of the grid of correlations and variances between two noises of one trend."""


class LikelyNoises:
    """A series and the growing curves, to be tested against diminishing returns.

    Parameters
    ----------
    t : Trajectory
        The series, n checkpoints.
    columns : array, shape (n, m)
        Growing curves.
    curve : array, shape (n,)
        The fitted one.
    noise : Noise
        Posterior of the noise around it.
    whiten : Whitener
        By that noise.
    rng : numpy.random.Generator
        Of the replicates.
    boot : int
        Replicates, at most.
    after_dip : bool
        Whether the series begins at the lowest level of a dip.
    """

    def __init__(
        self, t: Trajectory, columns: Array, curve: Array, noise: Noise, whiten: Whitener, rng: np.random.Generator,
        boot: int, after_dip: bool = False,
    ) -> None:  # fmt: skip
        self.t, self.columns, self.curve, self.noise, self.whiten = t, columns, curve, noise, whiten
        self.rng, self.boot, self.after_dip = rng, boot, after_dip

    def test(self, gamma: float, most: int | None = None) -> Tested:
        """Test that the curve has diminishing returns from the first token on.

        Parameters
        ----------
        gamma : float
            Exponent of tokens.
        most : int, optional
            Replicates, at most; all when None.

        Returns
        -------
        Tested
            The p-value, and the statistics of the replicates: twice log-likelihoods.
        """
        t = self.t
        simple, generators = self._cone(gamma, self.whiten).fitted(t.y, self.whiten)
        other = restricted_likelihood(t, simple, generators)
        whitenings = [other.whitener_at(0.5 * (simple + self.curve), point) for point in apart(self.noise, other)]
        grown = [Products.of(self.columns, whiten) for whiten in whitenings]
        cones = [self._cone(gamma, whiten) for whiten in whitenings]

        def gained(y: Array) -> Array:
            growth, even = [], []
            for whiten, curves, cone in zip(whitenings, grown, cones, strict=True):
                z = whiten(y)
                square = np.einsum("nb,nb->b", z, z)
                scores = curves.scores(z)
                best = square - largest(scores, np.zeros(len(scores), np.float32)).astype(float) ** 2
                growth.append(self._likelihood(whiten, best))
                even.append(self._likelihood(whiten, cone.rss(z)))
            return np.asarray(np.logaddexp.reduce(growth) - np.logaddexp.reduce(even)) * 2

        observed = float(gained(t.y[:, None])[0])
        replicates = other.draw(self.rng, min(most or self.boot, self.boot)).around(simple)
        return in_blocks(observed, replicates.shape[1], lambda start, stop: gained(replicates[:, start:stop]))

    def _cone(self, gamma: float, whiten: Whitener) -> Cone:
        return Cone.diminishing(self.t.tokens, whiten, gamma, self.after_dip)

    def _likelihood(self, whiten: Whitener, rss: Array) -> Array:
        """Return restricted log-likelihoods (B,), up to a constant; of continuous scores the scale is profiled out."""
        if not self.t.counts:
            freedom = self.t.n - 1
            rss = freedom * np.log(np.maximum(rss, max(freedom * least_variance(self.t), 1e-300)))
        return np.asarray(-0.5 * (whiten.determinant + rss))


def apart(first: Noise, second: Noise) -> list[tuple[int, int, int]]:
    """Return points of the grid of noise that two posteriors find likely, the likeliest first, none near another.

    Parameters
    ----------
    first, second : Noise
        Posteriors of one series.

    Returns
    -------
    list of (int, int, int)
        Up to ``MOST`` points: variant, correlation, variance.
    """
    weight = first.weight + second.weight
    found: list[tuple[int, int, int]] = []
    for index in np.argsort(-weight, axis=None):
        k, i, j = (int(x) for x in np.unravel_index(index, weight.shape))
        if weight[k, i, j] == 0 or len(found) == MOST:
            break
        trend = VARIANTS[k].trend
        if all(trend != VARIANTS[of].trend or abs(i - at) + abs(j - by) >= APART for of, at, by in found):
            found.append((k, i, j))
    return found

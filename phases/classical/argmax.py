r"""Where a two-sided Brownian motion with drift has its largest value: the law of an estimated break (Bai 1997).

:math:`Z(s) = \phi_1 W_1(-s) - |s|/2` for s < 0 and :math:`\phi_2 W_2(s) - |s|/2` for s > 0. The largest value of one
side is exponential with rate :math:`1/\phi_k^2`; the density of its place s and value m together is the first passage
to m at s times that rate. The other side must stay below m, so that on the right

.. math:: g(s) = \phi_2^{-2} \int_0^\infty h_s(m) \left(1 - e^{-m/\phi_1^2}\right) dm, \qquad
   h_s(m) = \frac{m}{s \sqrt{2 \pi v}}\, e^{-(m + s/2)^2 / 2v}, \quad v = \phi_2^2 s,

and the integral is closed:
:math:`\int h_s(m) e^{-cm} dm = s^{-1} e^{cs/2 + c^2 v/2} [\sqrt v\, \varphi(u) - a\, \Phi(-u)]`
with :math:`a = s/2 + cv`, :math:`u = a/\sqrt v`. For :math:`\phi_1 = \phi_2 = 1` it is the law of Yao (1987), whose
97.5 % quantile is 11.03.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erfcx

from calque.phases.series.axis import Array

POINTS = 4000
FARTHEST = 400.0
"""In units of the larger phi squared: what lies beyond has probability below 1e-20."""


def argmax_interval(left: float, right: float, level: float = 0.95) -> tuple[float, float]:
    """Return how far before and after 0 the argmax lies with probability ``level``, both >= 0.

    The two tails hold (1 - level) / 2 each. As the estimate is the truth plus this argmax, the truth reaches from the
    estimate minus ``after`` to the estimate plus ``before``: the caller swaps them.

    Parameters
    ----------
    left, right : float
        Long-run standard deviation over shift, phi, of the segment before and after the break.
    """
    tail = (1 - level) / 2
    before, after = _quantile(right, left, tail), _quantile(left, right, tail)
    return before, after


def _quantile(other: float, own: float, tail: float) -> float:
    """Return the distance beyond which the argmax falls on ``own``'s side with probability ``tail``; 0 if never."""
    farthest = FARTHEST * max(own, other) ** 2
    s = np.geomspace(1e-9 * farthest, farthest, POINTS)
    g = density(s, other, own)
    cells = 0.5 * (g[1:] + g[:-1]) * np.diff(s)
    beyond = np.append(cells[::-1].cumsum()[::-1], 0.0)
    if beyond[0] <= tail:
        return 0.0
    return float(np.interp(-tail, -beyond, s))


def density(s: Array, other: float, own: float) -> Array:
    """Return the density of the position of the maximum on one side.

    Parameters
    ----------
    s : array, shape (m,)
        Distances from 0, positive.
    other : float
        phi of the other side.
    own : float
        phi of this side.

    Returns
    -------
    array, shape (m,)
        Density at ``s``.
    """
    return np.asarray(np.maximum(_laplace(s, 0.0, own) - _laplace(s, other**-2.0, own), 0.0) / own**2)


def _laplace(s: Array, c: float, phi: float) -> Array:
    """Return the integral of h_s(m) exp(-c m): the exponentials cancel to exp(-s / (8 phi^2))."""
    v = phi**2 * s
    u = (s / 2 + c * v) / np.sqrt(v)
    mills = 1 / np.sqrt(2 * np.pi) - u * 0.5 * erfcx(u / np.sqrt(2))
    return np.asarray(np.sqrt(v) / s * np.exp(-s / (8 * phi**2)) * mills)

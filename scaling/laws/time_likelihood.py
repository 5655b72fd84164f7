r"""The likelihood of the times of runs given their expected log time and the scatter between runs.

A run's own likelihood :math:`\ell_i(t)` of its time t is a sum of normal curves and of bounds (1 between two times, 0
elsewhere). With :math:`\ln T_i \sim N(\mu, \sigma^2)` each of them has a closed form:

.. math:: L_i(\mu, \sigma) = \sum_k \frac{a_k}{\sqrt{s_k^2 + \sigma^2}} e^{-(\mu - m_k)^2 / 2 (s_k^2 + \sigma^2)}
   + \sum_b w_b \left[\Phi\left(\tfrac{h_b - \mu}{\sigma}\right) - \Phi\left(\tfrac{l_b - \mu}{\sigma}\right)\right]

One normal curve: a located time with its standard error. One bound: a time not yet reached, or known to lie between two
others. Many narrow curves and the two open ends: the profile that ``phases`` found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from calque.phases.likelihood import TakeoffLikelihood

Array = NDArray[np.float64]
LARGE = 300.0


@dataclass(frozen=True, kw_only=True)
class NormalParts:
    """The likelihood of one time: normal curves (k,) and bounds (b,).

    Attributes
    ----------
    log_a, middle, sd : array, shape (k,)
        Log amplitude, place (ln tokens) and width of each normal curve.
    log_w, low, high : array, shape (b,)
        Log weight and ends (ln tokens, infinite where open) of each bound.
    """

    log_a: Array
    middle: Array
    sd: Array
    log_w: Array
    low: Array
    high: Array

    @classmethod
    def located(cls, y: float, se: float) -> NormalParts:
        """Return the likelihood of a time measured as ``y`` (ln tokens) with standard error ``se``."""
        none = np.empty(0)
        return cls(log_a=np.zeros(1), middle=np.array([y]), sd=np.array([se]), log_w=none, low=none, high=none)

    @classmethod
    def between(cls, low: float, high: float) -> NormalParts:
        """Return the likelihood of a time between two (ln tokens; infinite where open)."""
        none = np.empty(0)
        return cls(
            log_a=none, middle=none, sd=none, log_w=np.zeros(1), low=np.array([low]), high=np.array([high])
        )  # fmt: skip

    @classmethod
    def profile(cls, found: TakeoffLikelihood) -> NormalParts:
        """Return the likelihood that ``phases`` found: a normal curve for each bin, a bound for each open end."""
        edges = np.array(found.edges)
        step = np.diff(edges)
        bounds = [(found.before, -np.inf, found.first), (found.after, found.last, np.inf)]
        open_ends = np.array([b for b in bounds if np.isfinite(b[0])]).reshape(-1, 3)
        # curves half a bin wide, a bin apart: their sum is the profile to within 2 %
        return cls(
            log_a=np.array(found.log_likelihood) + np.log(step / np.sqrt(2 * np.pi)),
            middle=(edges[1:] + edges[:-1]) / 2, sd=step / 2, log_w=open_ends[:, 0], low=open_ends[:, 1],
            high=open_ends[:, 2],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TimeLikelihoods:
    """The likelihoods of m times, padded to as many normal curves K and bounds B as the largest has.

    Attributes
    ----------
    log_a, middle, sd : array, shape (m, K)
        As in :class:`NormalParts`; ``-inf`` in ``log_a`` where there is no curve.
    log_w, low, high : array, shape (m, B)
        The same of bounds.
    """

    log_a: Array
    middle: Array
    sd: Array
    log_w: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, parts: Sequence[NormalParts]) -> TimeLikelihoods:
        """Stack the likelihoods of several times.

        Parameters
        ----------
        parts : sequence of NormalParts
            One for each run.
        """

        def stacked(name: str, pad: float) -> Array:
            values = [getattr(p, name) for p in parts]
            out = np.full((len(values), max((v.size for v in values), default=0)), pad)
            for row, v in zip(out, values, strict=True):
                row[: v.size] = v
            return out

        return cls(
            log_a=stacked("log_a", -np.inf), middle=stacked("middle", 0.0), sd=stacked("sd", 1.0),
            log_w=stacked("log_w", -np.inf), low=stacked("low", -np.inf), high=stacked("high", np.inf),
        )  # fmt: skip

    @property
    def simple(self) -> bool:
        """Whether every time is one normal curve, so that all integrals have a closed form."""
        return self.log_a.shape[1] == 1 and self.log_w.shape[1] == 0

    def log_density(self, mu: Array, sigma: Array) -> Array:
        """Return ln L.

        Parameters
        ----------
        mu : array, shape (..., m)
            Expected ln T of every run.
        sigma : array, shape (..., 1)
            SD between runs.

        Returns
        -------
        array, shape (..., m)
        """
        return _log_total(self._parts(mu, sigma))

    def gradient(self, mu: Array, sigma: float) -> tuple[Array, Array, Array]:
        """Return ln L and its derivatives in mu and in ln sigma, each (m,).

        Parameters
        ----------
        mu : array, shape (m,)
            Expected ln T of every run.
        sigma : float
            SD between runs.
        """
        parts = self._parts(mu, np.array([sigma]))
        value = _log_total(parts)
        share = np.exp(parts - value[:, None])
        curves, bounds = share[:, : self.log_a.shape[1]], share[:, self.log_a.shape[1] :]
        v = self.sd**2 + sigma**2
        r = self.middle - mu[:, None]
        by_mu = (curves * r / v).sum(-1)
        by_log_sigma = (curves * (r**2 / v - 1) * sigma**2 / v).sum(-1)
        if bounds.size:
            a, b = (self.low - mu[:, None]) / sigma, (self.high - mu[:, None]) / sigma
            log_p = log_between(a, b)
            at_a, at_b = _density_ratio(a, log_p), _density_ratio(b, log_p)
            by_mu += (bounds * (at_a - at_b)).sum(-1) / sigma
            by_log_sigma += (bounds * (_finite(a) * at_a - _finite(b) * at_b)).sum(-1)
        return value, by_mu, by_log_sigma

    def _parts(self, mu: Array, sigma: Array) -> Array:
        mu, sigma = mu[..., None], sigma[..., None]
        v = self.sd**2 + sigma**2
        curves = self.log_a - (mu - self.middle) ** 2 / v / 2 - np.log(v) / 2
        if not self.log_w.size:
            return np.asarray(curves)
        bounds = self.log_w + log_between((self.low - mu) / sigma, (self.high - mu) / sigma)
        return np.concatenate([curves, bounds], axis=-1)


def _log_total(parts: Array) -> Array:
    """Return the log of the sum of exp over the last axis; scipy's takes ten times as long on arrays this small."""
    if parts.shape[-1] == 1:
        return parts[..., 0]
    top = parts.max(-1)
    return np.asarray(top + np.log(np.exp(parts - top[..., None]).sum(-1)))


def log_between(a: Array, b: Array) -> Array:
    """Return log of Phi(b) - Phi(a), accurate in both tails.

    Parameters
    ----------
    a, b : array
        Of one shape, ``a`` below ``b``; infinite values are allowed.
    """
    upper = a > 0
    x = np.where(upper, log_ndtr(-a), log_ndtr(b))
    y = np.where(upper, log_ndtr(-b), log_ndtr(a))
    return np.asarray(x + np.log1p(-np.exp(np.minimum(y - x, -1e-12))))


def _density_ratio(a: Array, log_p: Array) -> Array:
    log_density = -(_finite(a) ** 2) / 2 - np.log(2 * np.pi) / 2
    return np.asarray(np.exp(np.minimum(log_density - log_p, LARGE)) * np.isfinite(a))


def _finite(a: Array) -> Array:
    return np.where(np.isfinite(a), a, 0.0)

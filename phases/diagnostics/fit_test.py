"""Goodness of fit of one series: the smallest p-value of its checks, by parametric bootstrap."""

from __future__ import annotations

import numpy as np

from calque.phases.diagnosis import Diagnosis, FamilyWeight
from calque.phases.diagnostics import residuals
from calque.phases.diagnostics.checks import NAMES, p_values, robust_scale
from calque.phases.dictionary.fit import Fit
from calque.phases.noise.variants import VARIANTS
from calque.phases.series.axis import Array
from calque.phases.shapes import FAMILIES

LEAST = 1e-300
ENOUGH = 199
"""Replicates, at most: the smallest p-value is then half of the one below which a model does not fit."""


def diagnose(fit: Fit, rng: np.random.Generator, boot: int, unit: float = 1.0) -> Diagnosis:
    """Test whether the fitted curve and noise explain a series.

    Parameters
    ----------
    fit : Fit
        Of the series.
    rng : numpy.random.Generator
        Source of the replicates.
    boot : int
        Replicates; at most ``ENOUGH`` are drawn.
    unit : float
        What a height of 1 of the series as analysed is of the score itself.
    """
    t = fit.trajectory
    z = residuals.observed(fit)
    drawn = residuals.simulated(fit, fit.noise.draw(rng, min(boot, ENOUGH)))
    p, checks = combined(p_values(z[:, None], t.training_done, t.counts)[:, 0],
                         p_values(drawn, t.training_done, t.counts))  # fmt: skip
    by_name: dict[str, float] = dict(zip(NAMES, checks.tolist(), strict=False))
    k, rho, variance, phi = fit.noise.mean()
    far = int(np.abs(z).argmax())
    return Diagnosis(
        run=t.run, group=t.group, metric=t.metric, p_value=p, autocorrelation_p=by_name["autocorrelation"],
        variance_p=by_name["variance"], outlier_p=by_name["outlier"], tails_p=by_name["tails"],
        dispersion_p=by_name.get("dispersion"),
        outlier_tokens=float(t.tokens[far]), outlier_size=float(z[far] / robust_scale(z[:, None])[0]),
        rho=rho, sd=float(np.sqrt(variance * phi)) * (1.0 if t.counts else unit), trend=VARIANTS[k].trend,
        overdispersion=VARIANTS[k].over, n_checkpoints=t.n,
        n_items=None if t.trials is None else float(np.median(t.trials)), tokens=t.tokens, residuals=z,
        axis=t.axis, families=family_weights(fit),
    )  # fmt: skip


def family_weights(fit: Fit) -> tuple[FamilyWeight, ...]:
    """Return what each family of shapes counts in a fit, the largest weight first; see :class:`FamilyWeight`.

    Parameters
    ----------
    fit : Fit
        Of the series.
    """
    excess = fit.excess
    share = np.exp(-0.5 * excess)
    found = [
        FamilyWeight(family=name, weight=float(share[mine].sum() / share.sum()), excess=float(excess[mine].min()))
        for rank, name in enumerate(FAMILIES)
        if (mine := fit.candidates.family == rank).any()
    ]
    return tuple(sorted(found, key=lambda one: -one.weight))


def combined(p: Array, simulated: Array) -> tuple[float, Array]:
    r"""Return the p-value of the smallest of several p-values, and these calibrated.

    Where a test is exact, its p-value is uniform; near floors and in short series it is not. So each :math:`-\log p` is
    taken relative to its median and .95 quantile over the replicates before the largest of them is taken.

    Parameters
    ----------
    p : array, shape (m,)
        Of the tests of a series.
    simulated : array, shape (m, B)
        The same of replicates, on which the model holds.

    Returns
    -------
    float
        p of the combination, at least 1/(B + 1).
    array, shape (m,)
        p of each test, by the same replicates.
    """
    log, logs = -np.log(np.maximum(p, LEAST)), -np.log(np.maximum(simulated, LEAST))
    middle, high = np.quantile(logs, (0.5, 0.95), axis=1)
    unit = np.maximum(high - middle, 1e-6)
    top, tops = ((log - middle) / unit).max(), ((logs - middle[:, None]) / unit[:, None]).max(0)
    replicates = logs.shape[1]
    each = (1 + (logs >= log[:, None]).sum(1)) / (1 + replicates)
    return float(1 + (tops >= top).sum()) / (1 + replicates), each

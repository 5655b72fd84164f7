r"""One mode or two across seeds: whether the runs of one condition take off at one time, or some early and some late.

The log times of n runs are standardised and fitted with one normal and with a mixture of two normals of one variance
(scikit-learn's ``GaussianMixture``, tied; with a variance each, the likelihood has no maximum). The statistic is twice
the gain in log-likelihood. Under one normal its law depends on n alone, since it does not change when times are moved
or scaled: the parametric bootstrap draws n standard normals, and the test is exact for normal log times.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.stats import norm

from calque.data.quantities import format_count, plural
from calque.phases.pooling.questions import Question
from calque.phases.pooling.results import SeedModes
from calque.phases.pooling.seeds import ENOUGH_SEEDS
from calque.phases.pooling.times import Ends
from calque.phases.results import Outcome
from calque.phases.series.conditions import Condition
from calque.phases.stats.jackknife import Array
from calque.phases.stats.multiplicity import benjamini_yekutieli
from calque.phases.wording_of_tests import after_adjusting

REPLICATES = 499
"""Draws of the bootstrap."""
APART = 2.0
"""Two normals of equal weight and variance have two modes only when their means are further apart than this."""


@dataclass(frozen=True)
class TwoNormals:
    """A mixture of two normals of one standard deviation, fitted to values.

    Attributes
    ----------
    statistic : float
        Twice the gain in log-likelihood over one normal; 0 where the mixture is no better.
    means : tuple of two float
        Ascending.
    sd : float
        Standard deviation within a mode.
    counts : tuple of two int
        Values that belong to each mode rather than to the other.
    """

    statistic: float
    means: tuple[float, float]
    sd: float
    counts: tuple[int, int]

    @property
    def apart(self) -> float:
        """Distance of the means in standard deviations."""
        return (self.means[1] - self.means[0]) / max(self.sd, 1e-12)


def two_normals(values: Array) -> TwoNormals:
    """Fit one normal and a mixture of two to values.

    Parameters
    ----------
    values : array, shape (n,)
        At least 4 values, not all equal.
    """
    from sklearn import config_context
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    centre, scale = float(values.mean()), float(values.std())
    z = np.sort((values - centre) / scale)
    # started from the division into a lower and an upper part with the least variance within
    k = min(range(1, len(z)), key=lambda k: z[:k].var() * k + z[k:].var() * (len(z) - k))
    start = np.array([[z[:k].mean()], [z[k:].mean()]])
    within = max((z[:k].var() * k + z[k:].var() * (len(z) - k)) / len(z), 1e-4)
    mixture = GaussianMixture(
        2, covariance_type="tied", means_init=start, weights_init=[k / len(z), 1 - k / len(z)],
        precisions_init=[[1 / within]], reg_covar=1e-6, max_iter=300,
    )  # fmt: skip
    with warnings.catch_warnings(), config_context(assume_finite=True, skip_parameter_validation=True):
        warnings.simplefilter("ignore", ConvergenceWarning)  # its likelihood is reached all the same
        mixture.fit(z[:, None])
    one = -0.5 * len(z) * (np.log(2 * np.pi) + 1)  # of standardised values
    sd = float(np.sqrt(mixture.covariances_[0, 0]))
    parts = np.log(mixture.weights_) + norm.logpdf(z[:, None], mixture.means_[:, 0], sd)
    gain = 2 * (float(np.logaddexp(parts[:, 0], parts[:, 1]).sum()) - one)
    order = np.argsort(mixture.means_[:, 0])
    means = centre + scale * mixture.means_[order, 0]
    upper = int((parts.argmax(1) == order[1]).sum())
    return TwoNormals(
        max(gain, 0.0), (float(means[0]), float(means[1])), scale * sd,
        (len(z) - upper, upper),
    )  # fmt: skip


@lru_cache(maxsize=64)
def null_law(n: int, draws: int = REPLICATES) -> Array:
    """Return the statistic of ``draws`` samples of n normals, ascending.

    Parameters
    ----------
    n : int
        Values a sample.
    draws : int
        Samples.
    """
    rng = np.random.default_rng([n, draws, 1])
    return np.sort([two_normals(rng.standard_normal(n)).statistic for _ in range(draws)])


def p_of_one_mode(values: Array, draws: int = REPLICATES) -> float:
    """Return the p-value of "one normal" against two, by parametric bootstrap.

    Parameters
    ----------
    values : array, shape (n,)
        Log times.
    draws : int
        Samples of the bootstrap.
    """
    law = null_law(len(values), draws)
    return (1 + int((law >= two_normals(values).statistic).sum())) / (1 + draws)


def seed_modes(
    designs: Iterable[Condition], q: Question, ends: Mapping[str, Ends | None], level: float
) -> list[SeedModes]:  # fmt: skip
    """Return for every size, corpus and mix of several runs whether these have one mode or two.

    Parameters
    ----------
    designs : iterable of Condition
        The runs.
    q : Question
        Estimand and metric.
    ends : mapping of str to (float, float) or None
        Ends of the log time, or log ratio, of each run.
    level : float
        Tests are at 1 - level.
    """
    cells: dict[tuple[str | None, str | None, str | None], list[str]] = {}
    for d in designs:
        cells.setdefault(d.cell, []).append(d.run)
    return [_of_cell(cell, q, [ends[run] for run in runs], level) for cell, runs in cells.items() if len(runs) > 1]


def _of_cell(
    cell: tuple[str | None, str | None, str | None], q: Question, ends: list[Ends | None], level: float
) -> SeedModes:  # fmt: skip
    times = np.array([e[0] for e in ends if e is not None and e[0] == e[1]])
    n, of = len(times), f"{q.estimand} located in {len(times)} of {plural(len(ends), 'run')}"
    row = SeedModes(
        size=cell[0], corpus=cell[1], mix=cell[2], metric=q.metric, estimand=q.estimand, first=q.first,
        outcome=Outcome.TOO_FEW_POINTS, reason=f"{of}: one mode or two is a question for {ENOUGH_SEEDS} runs or more",
        unit="tokens" if q.first is None else "ratio", n_runs=len(ends), n_located=n,
    )  # fmt: skip
    if n < ENOUGH_SEEDS:
        return row
    if np.ptp(times) <= 1e-9 * max(1.0, float(np.abs(times).max())):
        return replace(row, outcome=Outcome.NONE, reason=f"{of}, all at the same time: one mode")
    found, p = two_normals(times), p_of_one_mode(times)
    early, late = (math.exp(m) for m in found.means)
    lost = "" if n == len(ends) else "; runs without a time are no part of this"
    row = replace(
        row, p_value=p, early=early, late=late, n_early=found.counts[0], n_late=found.counts[1],
        apart=found.apart,
    )  # fmt: skip
    at = [format_count(m) if q.first is None else f"{m:.3g}" for m in (early, late)]
    unit = " tokens" if q.first is None else f" times the tokens of {q.first}"
    if p > 1 - level or found.apart < APART or min(found.counts) < 1:
        reason = f"{of}: a second mode is not shown (p = {p:.2g} of one normal law of log times)"
        return replace(row, outcome=Outcome.NONE, reason=reason + lost)
    reason = (
        f"{of}: two modes, {plural(found.counts[0], 'run')} around {at[0]} and {found.counts[1]} around {at[1]}{unit}, "
        f"{found.apart:.2g} sd apart (p = {p:.2g} of one normal law of log times)"
    )
    return replace(row, outcome=Outcome.FOUND, reason=reason + lost)


def adjusted_modes(rows: Iterable[SeedModes], level: float) -> tuple[SeedModes, ...]:
    """Return rows with p-values adjusted over all of them, and the outcomes that follow from these.

    Parameters
    ----------
    rows : iterable of SeedModes
        Of a report.
    level : float
        Tests are at 1 - level.
    """
    out = list(rows)
    tested = [i for i, row in enumerate(out) if row.p_value is not None]
    for i, p in zip(tested, benjamini_yekutieli([out[i].p_value or 0.0 for i in tested]), strict=True):
        row = replace(out[i], p_adjusted=p)
        if row.outcome == Outcome.FOUND and len(tested) > 1:
            holds = p <= 1 - level
            words = after_adjusting(p, len(tested), holds, "mode")
            row = replace(
                row, reason=f"{row.reason}; {words}", outcome=row.outcome if holds else Outcome.NOT_ESTABLISHED
            )
        out[i] = row
    return tuple(out)

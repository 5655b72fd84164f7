"""Contrasts between mixes, runs (seeds) as the replicates: difference of ln T, randomisation test, t interval.

Within each size that both mixes were run at, labels of mixes are exchanged among runs: under no effect every
arrangement is as likely. The statistic is the mean difference of ln T over sizes, weighted by ``a b / (a + b)`` runs;
where a run had not taken off by its end it is the difference of mean ranks, such runs last. All arrangements are
tried where there are 20,000 at most, otherwise as many drawn ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb
from scipy.stats import rankdata
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.phases.stats.multiplicity import benjamini_yekutieli
from calque.scaling.mixes.estimands import LANGUAGE, RUNS
from calque.scaling.observations import SAME_SIZE, Observation

Array = NDArray[np.float64]
MOST = 20_000


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One mix against another.

    Attributes
    ----------
    first, second : str
        Mixes; ``log_ratio`` is ln(T second / T first).
    language : str
        Empty for all of a run's items.
    outcome, reason : str
        ``found`` (an estimate with its interval), ``censored`` (a test without an estimate), ``too_few_points``.
    log_ratio, low, high : float or None
        Mean difference of ln T and its interval at ``level``.
    p_value, p_adjusted : float or None
        Of the randomisation test; adjusted over the contrasts of one call (Holm for runs, Benjamini and Yekutieli
        over languages and pairs).
    least_p : float or None
        The smallest p-value that so few runs allow.
    adjusted_for, adjusted_by : int, str
        How many p-values were adjusted together, and by whose method.
    runs : tuple of int
        Of the first mix and of the second.
    sizes : int
        At which both were run.
    """

    first: str
    second: str
    language: str
    outcome: str
    reason: str
    level: float
    log_ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    least_p: float | None = None
    adjusted_for: int = 1
    adjusted_by: str = ""
    runs: tuple[int, int] = (0, 0)
    sizes: int = 0

    @property
    def sentence(self) -> str:
        """What was found, with the p-value, adjusted where several contrasts were made."""
        if self.p_value is None or self.least_p is None:
            return self.reason
        text = f"{self.reason}; randomisation test p = {self.p_value:.2g}"
        if self.p_adjusted is not None and self.adjusted_for > 1:
            text += f" ({self.p_adjusted:.2g} adjusted for {self.adjusted_for} contrasts by {self.adjusted_by})"
        if self.least_p > 1 - self.level + 1e-12:
            text += f"; so few runs cannot give a p-value below {self.least_p:.2g}"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"sentence": self.sentence, "estimand": LANGUAGE if self.language else RUNS}


def distinct_mixes(names: Iterable[str]) -> list[str]:
    """Return the mixes in the order of their first run.

    Parameters
    ----------
    names : iterable of str
        The mix of each run.

    Raises
    ------
    UserError
        When there are fewer than two mixes.
    """
    mixes = list(dict.fromkeys(names))
    if len(mixes) < 2:
        raise UserError(f"the runs have {len(mixes)} mix ({', '.join(mixes) or 'none'}); expected two to compare")
    return mixes


def contrasts(observations: Sequence[Observation], *, level: float = 0.95, seed: int = 0) -> tuple[Contrast, ...]:
    """Contrast every pair of mixes, for each language the observations tell apart.

    Parameters
    ----------
    observations : sequence of Observation
        One for each run, or for each run and language.
    level : float
        Of the intervals.
    seed : int
        Of arrangements that are drawn.

    Raises
    ------
    UserError
        When there are fewer than two mixes.
    """
    mixes = distinct_mixes(o.mix for o in observations)
    languages = list(dict.fromkeys(o.language for o in observations))
    found = [
        contrast([o for o in observations if o.language == language], one, two, level=level, seed=seed)
        for language in languages
        for one, two in combinations(mixes, 2)
    ]
    p = [c.p_value for c in found if c.p_value is not None]
    if not p:
        return tuple(found)
    whole = languages == [""]
    adjusted = iter(multipletests(p, method="holm")[1].tolist() if whole else benjamini_yekutieli(p))
    method = "Holm" if whole else "Benjamini and Yekutieli"
    return tuple(
        c if c.p_value is None else replace(c, p_adjusted=next(adjusted), adjusted_for=len(p), adjusted_by=method)
        for c in found
    )


def contrast(
    observations: Sequence[Observation], first: str, second: str, *, level: float = 0.95, seed: int = 0
) -> Contrast:
    """Contrast two mixes of one language, or of whole runs.

    Parameters
    ----------
    observations : sequence of Observation
        Of one language, or of whole runs.
    first, second : str
        The mixes.
    level : float
        Of the interval.
    seed : int
        Of arrangements that are drawn.
    """
    used = [o for o in observations if o.mix in (first, second) and o.kind in ("located", "right")]
    other = sum(o.mix in (first, second) for o in observations) - len(used)
    left = f"; {plural(other, 'run')} without a time or an end to wait from left out" if other else ""
    strata = _strata(used, first, second)
    language = observations[0].language if observations else ""
    common: dict[str, Any] = {"first": first, "second": second, "language": language, "level": level}
    counts = tuple(sum(o.mix == mix for s in strata for o in s) for mix in (first, second))
    if not strata:
        return Contrast(outcome="too_few_points", reason="no size was run with both mixes", **common)
    common |= {"runs": counts, "sizes": len(strata)}
    if sum(counts) < 3:
        reason = f"{counts[0]} and {counts[1]} run: without a second seed nothing says how much runs scatter"
        return Contrast(outcome="too_few_points", reason=reason, **common)
    censored = any(o.kind == "right" for s in strata for o in s)
    values = [_values(s, ranks=censored) for s in strata]
    labels = [np.array([o.mix == second for o in s]) for s in strata]
    p, least = randomisation(values, labels, np.random.default_rng(seed))
    if censored:
        waiting = sum(o.kind == "right" for s in strata for o in s)
        reason = f"{plural(waiting, 'run')} had not taken off: ranks are tested, no ratio is estimated{left}"
        return Contrast(outcome="censored", reason=reason, p_value=p, least_p=least, **common)
    estimate, error, df = _difference(values, labels)
    half = float(student.ppf(0.5 + level / 2, df)) * error if df else math.inf
    reason = (
        f"{second} takes off at {math.exp(estimate):.2f} times the tokens of {first}, "
        f"{counts[0]} and {plural(counts[1], 'run')} at {plural(len(strata), 'size')}{left}"
    )
    return Contrast(
        outcome="found", reason=reason, log_ratio=estimate, low=estimate - half if df else None,
        high=estimate + half if df else None, p_value=p, least_p=least, **common,
    )  # fmt: skip


def randomisation(
    values: Sequence[Array], labels: Sequence[NDArray[np.bool_]], rng: np.random.Generator
) -> tuple[float, float]:
    """Return the two-sided p-value and the smallest one possible; values and labels (of the second mix) by size.

    Parameters
    ----------
    values : sequence of array
        ln T or ranks of the runs, one array for each size.
    labels : sequence of array of bool
        Which runs have the second mix, in the same shape.
    rng : numpy.random.Generator
        Source of randomness, where not all arrangements are tried.
    """
    seen = abs(_statistic(values, labels))
    count = math.prod(int(comb(len(v), int(a.sum()), exact=True)) for v, a in zip(values, labels, strict=True))
    if count <= MOST:
        every = np.array([abs(_statistic(values, arrangement)) for arrangement in _arrangements(labels)])
        top = np.sum(every >= every.max() - 1e-12) / count
        return float(np.mean(every >= seen - 1e-12)), float(top)
    drawn = [abs(_statistic(values, [rng.permutation(a) for a in labels])) for _ in range(MOST)]
    return float((1 + np.sum(np.array(drawn) >= seen - 1e-12)) / (1 + MOST)), 1 / (1 + MOST)


def _arrangements(labels: Sequence[NDArray[np.bool_]]) -> Iterator[list[NDArray[np.bool_]]]:
    for chosen in product(*(combinations(range(len(a)), int(a.sum())) for a in labels)):
        yield [np.isin(np.arange(len(a)), c) for a, c in zip(labels, chosen, strict=True)]


def _statistic(values: Sequence[Array], labels: Sequence[NDArray[np.bool_]]) -> float:
    weights = [a.sum() * (~a).sum() / len(a) for a in labels]
    differences = [v[a].mean() - v[~a].mean() for v, a in zip(values, labels, strict=True)]
    return float(np.average(differences, weights=weights))


def _difference(values: Sequence[Array], labels: Sequence[NDArray[np.bool_]]) -> tuple[float, float, int]:
    """Return the weighted difference, its standard error and degrees of freedom, one variance for all cells."""
    squares, df = 0.0, 0
    for v, a in zip(values, labels, strict=True):
        for cell in (v[a], v[~a]):
            squares += float(((cell - cell.mean()) ** 2).sum())
            df += cell.size - 1
    weights = np.array([a.sum() * (~a).sum() / len(a) for a in labels])
    error = math.sqrt(squares / df / weights.sum()) if df else math.nan
    return _statistic(values, labels), error, df


def _strata(used: Sequence[Observation], first: str, second: str) -> list[list[Observation]]:
    found: list[list[Observation]] = []
    for o in sorted(used, key=lambda o: o.n):
        if found and o.n <= found[-1][0].n * (1 + SAME_SIZE):
            found[-1].append(o)
        else:
            found.append([o])
    return [s for s in found if {o.mix for o in s} == {first, second}]


def _values(stratum: Sequence[Observation], *, ranks: bool) -> Array:
    times = np.array([math.log(o.tokens) if o.tokens else math.inf for o in stratum])
    return rankdata(times) / len(times) if ranks else times

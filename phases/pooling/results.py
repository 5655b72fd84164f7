"""Results of pooling: rows with an outcome and its sentence, one primary test a size, and their JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

import numpy as np

from calque.phases.results import SCHEMA, Outcome

Pooling = Literal["run", "mix", "size"]
Method = Literal["jackknife_t", "mixed_effects", "seed_t", "seed_median", "seeds_and_languages", "own"]
Role = Literal["primary", "secondary", "exploratory"]


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """One pooled time or ratio.

    Attributes
    ----------
    at : {"run", "mix", "size"}
        Level of pooling.
    estimand : {"takeoff", "lag"}
        Mean takeoff (geometric, in tokens), or mean ratio of the takeoff of ``metric`` to that of ``first``.
    method : str
        The interval of ``jackknife_t`` generalises to other languages, that of ``seed_t`` to other seeds, that of
        ``seeds_and_languages`` to both; ``mixed_effects`` is a second estimate beside ``jackknife_t``. ``seed_median``
        is the median over runs with an exact interval for other seeds, ``own`` a run's own interval.
    estimate, low, high : float or None
        In tokens, or a ratio; the interval is symmetric in logs.
    se : float or None
        Standard error of the natural logarithm.
    p_value : float or None
        Two-sided, of a ratio of 1; only for a lag.
    """

    at: Pooling
    run: str | None = None
    size: str | None = None
    mix: str | None = None
    corpus: str | None = None
    metric: str
    estimand: str
    first: str | None = None
    method: Method
    outcome: Outcome
    reason: str
    unit: Literal["tokens", "ratio"]
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    level: float
    se: float | None = None
    df: float | None = None
    p_value: float | None = None
    n_runs: int
    n_languages: int | None = None
    n_pairs: int | None = None
    n_censored: int | None = None
    n_missing: int | None = None


@dataclass(frozen=True, kw_only=True)
class SeedModes:
    """Whether the runs of one condition have one mode of takeoff or two, see :mod:`calque.phases.pooling.modes`.

    Attributes
    ----------
    n_runs, n_located : int
        Runs of the condition, and those with a time; the question is about the latter.
    p_value, p_adjusted : float or None
        Of one normal law of log times; adjusted over the conditions of the report (Benjamini-Yekutieli).
    early, late : float or None
        Centres of the two modes, in tokens or as a ratio.
    n_early, n_late : int or None
        Runs in each.
    apart : float or None
        Distance of the centres in standard deviations within a mode.
    """

    size: str | None = None
    corpus: str | None = None
    mix: str | None = None
    metric: str
    estimand: str
    first: str | None = None
    outcome: Outcome
    reason: str
    unit: Literal["tokens", "ratio"]
    n_runs: int
    n_located: int
    p_value: float | None = None
    p_adjusted: float | None = None
    early: float | None = None
    late: float | None = None
    n_early: int | None = None
    n_late: int | None = None
    apart: float | None = None


@dataclass(frozen=True, kw_only=True)
class SizeTest:
    """One test of one size over its runs: does the estimand hold in at least ``at_least`` of ``n_runs`` runs."""

    role: Role
    size: str | None
    corpus: str | None
    metric: str
    estimand: str
    first: str | None = None
    outcome: Outcome
    reason: str
    p_value: float | None = None
    p_adjusted: float | None = None
    n_runs: int
    at_least: int


@dataclass(frozen=True, kw_only=True)
class PairTest:
    """One directed pair of one run: its takeoff and its test for a delayed start; exploratory."""

    role: Role = "exploratory"
    run: str
    source: str
    target: str
    metric: str
    outcome: Outcome
    reason: str
    tokens: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None


@dataclass(frozen=True, kw_only=True)
class PoolReport:
    """All results of pooling, with its settings and with what so few seeds do not support."""

    cube: str
    settings: dict[str, Any]
    primary: str
    pooled: tuple[Pooled, ...]
    tests: tuple[SizeTest, ...]
    pairs: tuple[PairTest, ...]
    cannot_be_claimed: tuple[str, ...]
    notes: tuple[str, ...] = ()
    modes: tuple[SeedModes, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object; absent values are None."""
        return {
            "schema": SCHEMA,
            "cube": self.cube,
            "settings": plain(self.settings),
            "primary": self.primary,
            "pooled": [plain(asdict(p)) for p in self.pooled],
            "tests": [plain(asdict(t)) for t in self.tests],
            "modes": [plain(asdict(m)) for m in self.modes],
            "pairs": [plain(asdict(p)) for p in self.pairs],
            "cannot_be_claimed": list(self.cannot_be_claimed),
            "notes": list(self.notes),
        }


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return ``row`` for JSON: numbers that are not finite become None, outcomes their names."""
    out: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, StrEnum):
            value = value.value
        elif isinstance(value, bool | np.bool_):
            value = bool(value)
        elif isinstance(value, int | np.integer):
            value = int(value)
        elif isinstance(value, float | np.floating):
            value = float(value) if math.isfinite(value) else None
        out[key] = value
    return out

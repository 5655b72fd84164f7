"""Results of a regression of acquisition times: terms, predictors, an outcome with its sentence, and their JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from calque.phases.pooling.results import plain
from calque.phases.results import SCHEMA, Outcome


@dataclass(frozen=True, kw_only=True)
class Term:
    """One coefficient: one unit of the term multiplies the tokens at acquisition by ``time_ratio``."""

    predictor: str
    term: str
    time_ratio: float | None
    low: float | None
    high: float | None
    coefficient: float | None
    se: float | None
    df: float | None
    p_value: float | None


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """One predictor: its share of the explained variation, and the test that all its coefficients are 0."""

    name: str
    of: str
    explained: float | None
    p_value: float | None
    p_adjusted: float | None
    outcome: Outcome
    reason: str


@dataclass(frozen=True, kw_only=True)
class AcquisitionReport:
    """Survival regression of one metric's items.

    ``median``, ``low`` and ``high`` are tokens at which half of the items are acquired, covariates at their means.
    """

    cube: str
    settings: dict[str, Any]
    metric: str
    outcome: Outcome
    reason: str
    family: str | None = None
    aic: dict[str, float] | None = None
    explained: float | None = None
    median: float | None = None
    low: float | None = None
    high: float | None = None
    level: float
    n_items: int
    n_interval: int
    n_right: int
    n_left: int
    n_missing: int
    n_set_aside: int
    n_runs: int
    n_concepts: int
    n_languages: int
    terms: tuple[Term, ...] = ()
    predictors: tuple[Predictor, ...] = ()
    left_out: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object; absent values are None."""
        out = plain({k: v for k, v in asdict(self).items() if k not in ("terms", "predictors")})
        return {
            "schema": SCHEMA, **out,
            "terms": [plain(asdict(t)) for t in self.terms],
            "predictors": [plain(asdict(p)) for p in self.predictors],
        }  # fmt: skip

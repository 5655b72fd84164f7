"""Results of a regression of acquisition times: terms, predictors, an outcome with its sentence, and their JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from calque.phases.pooling.results import plain
from calque.phases.results import SCHEMA, Outcome


@dataclass(frozen=True, kw_only=True)
class Term:
    """One coefficient: one unit of the term multiplies the tokens at acquisition by ``time_ratio``.

    ``clusters`` are what the interval counts as independent: the languages or the concepts that the term varies with,
    or both, whatever the number of items.
    """

    predictor: str
    term: str
    time_ratio: float | None
    low: float | None
    high: float | None
    coefficient: float | None
    se: float | None
    df: float | None
    p_value: float | None
    clusters: str


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
class SuccessPart:
    """What one predictor explains of success: its Shapley value, in-sample and cross-validated, with intervals.

    ``name`` is the predictor, or ``total`` for all together. ``cross_validated`` leaves out concepts and languages.
    """

    name: str
    explained: float
    low: float | None
    high: float | None
    cross_validated: float
    cv_low: float | None
    cv_high: float | None


@dataclass(frozen=True, kw_only=True)
class Success:
    """Explained variation of success, the share of items that were lastingly acquired by the end of their run.

    Attributes
    ----------
    outcome : Outcome
        ``found`` where the cross-validated interval lies above 0.
    rate : float or None
        Share of items that succeeded.
    new_concepts, new_languages : float or None
        Cross-validated explained variation with concepts alone, or languages alone, left out.
    parts : tuple of SuccessPart
        In all, then of each predictor.
    """

    outcome: Outcome
    reason: str
    n_items: int
    rate: float | None = None
    new_concepts: float | None = None
    new_languages: float | None = None
    parts: tuple[SuccessPart, ...] = ()


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
    success: Success | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object; absent values are None."""
        out = plain({k: v for k, v in asdict(self).items() if k not in ("terms", "predictors", "success")})
        success = None if self.success is None else plain(asdict(self.success))
        if success is not None and self.success is not None:
            success["parts"] = [plain(asdict(part)) for part in self.success.parts]
        return {
            "schema": SCHEMA, **out,
            "terms": [plain(asdict(t)) for t in self.terms],
            "predictors": [plain(asdict(p)) for p in self.predictors], "success": success,
        }  # fmt: skip

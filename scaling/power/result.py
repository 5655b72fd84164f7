"""The results of a power analysis and of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calque.scaling.power.detectable import Detectable
from calque.scaling.power.ladder_plan import LadderPlan


@dataclass(frozen=True, kw_only=True)
class PowerAnalysis:
    """What a study can detect.

    Attributes
    ----------
    study : str
        The file that describes it, or ``cube``.
    power, level : float
        Probability of detection asked for; 1 minus the test's level.
    seed_sd : float
        SD of ln T between seeds.
    target : float
        Ratio of takeoffs to be detected by the cheapest design.
    rows : tuple of Detectable
        One for each design.
    cheapest : Detectable or None
        None where no design of the table detects the ratio.
    sentences : tuple of str
        The analysis in words.
    costed : bool
        Whether parameters and tokens of a run were known, so that FLOPs mean something.
    """

    study: str
    power: float
    level: float
    seed_sd: float
    target: float
    rows: tuple[Detectable, ...]
    cheapest: Detectable | None
    sentences: tuple[str, ...]
    costed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the analysis as plain values for JSON (schema 1); absent values are None."""
        return {
            "schema": 1, "study": self.study, "power": self.power, "level": self.level, "seed_sd": self.seed_sd,
            "target": self.target, "rows": [row.to_dict() for row in self.rows],
            "cheapest": None if self.cheapest is None else self.cheapest.to_dict(), "sentences": list(self.sentences),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LadderPlans:
    """Ladders under a budget.

    Attributes
    ----------
    budget : float
        How much may be spent, in ``unit``.
    unit, size : str
        The budget's unit, and the size to be forecast as it was given.
    n : float
        Non-embedding parameters of the size.
    plans : tuple of LadderPlan
        The sharpest forecast first.
    """

    budget: float
    unit: str
    size: str
    n: float
    plans: tuple[LadderPlan, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the plans as plain values for JSON (schema 1); absent values are None."""
        plans = [plan.to_dict() for plan in self.plans]
        return {
            "schema": 1, "budget": self.budget, "unit": self.unit, "n_params_non_embedding": self.n, "plans": plans,
        }  # fmt: skip

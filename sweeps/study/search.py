"""A search over a run's settings: which values are tried, and how long each is trained before the worse ones stop.

Asynchronous successive halving (ASHA; Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", MLSys).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from calque.data.errors import UserError, nearest, shown
from calque.data.metrics import METRICS
from calque.data.quantities import parse_count
from calque.models.config.training import TrainingConfig

SEARCH_KEYS = ("metric", "trials", "seed", "first", "reduction", "over")
SEARCHED = tuple(name for name, metric in METRICS.items() if metric.items is not None)
"""Metrics that a search may raise."""
MOST_TRIALS = 1000
Spread = Mapping[str, float]
"""``low`` and ``high``: values between them are as likely by ratio (the logarithm is uniform)."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """Trials of the one run under ``runs``, which differ in what is drawn and are compared at rungs.

    Attributes
    ----------
    metric : str
        Of the items of a run; higher is better.
    trials : int
        Runs that are drawn.
    seed : int
        Of the draws.
    first : int
        Training tokens (``500k``) of the first rung, at which trials are compared.
    reduction : int
        Of so many trials at a rung one goes on; the next rung is at so many times the tokens.
    over : mapping of str to list or Spread
        What is drawn, by key of a run: ``training.learning_rate: {low: 1e-3, high: 1e-2}`` (as likely by ratio), or
        ``size: [nano, micro]``.
    """

    metric: str = "translation"
    trials: int = 16
    seed: int = 0
    first: int
    reduction: int = 3
    over: Mapping[str, list[Any] | Spread]

    def __post_init__(self) -> None:
        if self.metric not in SEARCHED:
            raise UserError(
                f"metric is {shown(self.metric)}; expected one of {', '.join(SEARCHED)}{nearest(self.metric, SEARCHED)}"
            ).at("metric")
        for name, least, most in (("trials", 2, MOST_TRIALS), ("seed", 0, 2**32), ("reduction", 2, 100)):
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise UserError(f"{name} is {shown(value)}; expected a whole number from {least} to {most}").at(name)
        if self.first < 1:
            raise UserError(f"first is {self.first}; expected the tokens of the first comparison, 1 or more").at(
                "first"
            )
        if not isinstance(self.over, Mapping) or not self.over:
            raise UserError("over is empty; expected KEY: [values], or KEY: {low: 1e-3, high: 1e-2}").at("over")
        for key, values in self.over.items():
            self._check_values(key, values)

    @staticmethod
    def _check_values(key: str, values: Any) -> None:
        if isinstance(values, list) and values:
            return
        if isinstance(values, Mapping) and set(values) == {"low", "high"}:
            low, high = (_number(values[end]) for end in ("low", "high"))
            if 0 < low < high < math.inf:
                return
        raise UserError(
            f"{key} is {shown(values)}; expected a list of values, or {{low: 1e-3, high: 1e-2}} with 0 < low < high"
        ).at("over", key)

    def draws(self) -> tuple[dict[str, Any], ...]:
        """Return the values of every trial, by key: the same for the same settings."""
        rng = np.random.default_rng(self.seed)
        found: list[dict[str, Any]] = []
        known: set[str] = set()
        for _ in range(100 * self.trials):
            drawn = {key: _draw(values, rng) for key, values in self.over.items()}
            said = json.dumps(drawn, sort_keys=True, default=str)
            if said not in known:
                known.add(said)
                found.append(drawn)
            if len(found) == self.trials:
                return tuple(found)
        raise UserError(
            f"trials is {self.trials}, and there are {len(found)} combinations of the values; expected at most as many"
        ).at("trials")

    def rungs(self, tokens: int) -> tuple[int, ...]:
        """Return the tokens at which trials are compared, and the end of training.

        Parameters
        ----------
        tokens : int
            Training tokens of a run.
        """
        found, rung = [], self.first
        while rung < tokens:
            found.append(rung)
            rung *= self.reduction
        return (*found, tokens)

    @staticmethod
    def longest(trials: Iterable[TrainingConfig]) -> int:
        """Return the training tokens of the longest of ``trials``, after which none is compared."""
        return max(training.trained_tokens for training in trials)

    def expected_tokens(self, tokens: int) -> float:
        """Return the training tokens of the whole search where exactly one of ``reduction`` goes on at each rung.

        Asynchronous halving promotes early arrivals too easily: somewhat more is usual. ``tokens`` is one run's.
        """
        before, left, total = 0, float(self.trials), 0.0
        for rung in self.rungs(tokens):
            total += math.ceil(left) * (rung - before)
            before, left = rung, max(1.0, left / self.reduction)
        return total


def search_of(values: Any, error: Callable[[tuple[str, ...], str], UserError]) -> Search:
    """Return the search that a study file's ``search`` holds.

    Parameters
    ----------
    values : object
        As it stands there.
    error : callable
        ``error(place, message)`` gives an error that names file and line.

    Raises
    ------
    UserError
        One line for what is unknown, missing or impossible.
    """
    if not isinstance(values, dict):
        raise error(("search",), f"search is {shown(values)}; expected keys such as first, trials, over")
    for key in values:
        if key not in SEARCH_KEYS:
            message = f"unknown key {shown(key)} in search; expected one of {', '.join(SEARCH_KEYS)}"
            raise error(("search", key), message + nearest(str(key), SEARCH_KEYS))
    for key in ("first", "over"):
        if key not in values:
            raise error(("search",), f"search has no '{key}'; expected {_MISSING[key]}")
    try:
        first = parse_count(values["first"])
        if type(first) is not int:
            raise ValueError(f"first is {shown(first)}; expected a count of tokens such as 500k")
    except ValueError as mistake:
        raise error(("search", "first"), str(mistake)) from None
    try:
        return Search(**values | {"first": first})
    except UserError as mistake:
        raise error(("search", *map(str, mistake.place)), str(mistake)) from None


_MISSING = {
    "first": "the tokens after which trials are first compared, such as first: 500k",
    "over": "what is drawn, such as over: {training.learning_rate: {low: 1e-3, high: 1e-2}}",
}


def nested(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted keys as sections: ``{"training.tokens": 5}`` becomes ``{"training": {"tokens": 5}}``.

    Parameters
    ----------
    drawn : mapping of str to value
        By dotted key.
    """
    found: dict[str, Any] = {}
    for key, value in drawn.items():
        *above, last = key.split(".")
        section = found
        for name in above:
            section = section.setdefault(name, {})
        section[last] = value
    return found


def _number(value: Any) -> float:
    """Return a number, also one such as ``1e-3``, which YAML takes for text; NaN for what is none."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan


def _draw(values: list[Any] | Spread, rng: np.random.Generator) -> Any:
    if isinstance(values, list):
        return values[int(rng.integers(len(values)))]
    low, high = (math.log(_number(values[end])) for end in ("low", "high"))
    drawn = math.exp(rng.uniform(low, high))
    return float(f"{drawn:.3g}")

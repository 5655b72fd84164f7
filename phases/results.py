"""Results: transitions and lags with their outcome and one sentence each, and their JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal, TypeVar

import numpy as np

from calque.data.command_line.output import emit_json
from calque.data.errors import UserError
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

SCHEMA = 1
T = TypeVar("T")
Estimand = Literal[
    "takeoff", "delay", "onset", "t10", "t50", "width", "peak", "decline", "crossover", "phases", "kink", "level"
]


class Outcome(StrEnum):
    """The outcome of an estimand; only ``found`` (and ``smooth``, ``metric_dependent`` if located) carry numbers."""

    FOUND = "found"
    NONE = "none"
    SMOOTH = "smooth"
    NOT_SHARPLY_LOCATED = "not_sharply_located"
    CENSORED = "censored"
    TOO_FEW_POINTS = "too_few_points"
    NOT_CONVERGED = "not_converged"
    METRIC_DEPENDENT = "metric_dependent"


@dataclass(frozen=True, kw_only=True, eq=False)
class Refusal:
    """Why a series cannot be analysed."""

    trajectory: Trajectory
    outcome: Outcome
    reason: str


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One estimand of one series; ``tokens``, ``low``, ``high`` in tokens, absent values None.

    ``phases`` is a number only for the estimand of that name; 3 means three or more. ``falls`` is True of a score that
    falls as training succeeds: its takeoff is where the fall begins, its peak the lowest point. Where the answer hangs
    on one checkpoint, ``without_checkpoint`` is that checkpoint in tokens, and the other ``without_*`` the answer
    without it.
    """

    run: str
    group: str
    metric: str
    estimand: Estimand
    outcome: Outcome
    reason: str
    tokens: float | None = None
    low: float | None = None
    high: float | None = None
    level: float
    p_value: float | None = None
    p_adjusted: float | None = None
    elasticity: float | None = None
    phases: int | None = None
    falls: bool = False
    n_checkpoints: int
    without_checkpoint: float | None = None
    without_outcome: Outcome | None = None
    without_tokens: float | None = None
    without_low: float | None = None
    without_high: float | None = None
    without_p_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Lag:
    """How much later ``second`` took off than ``first`` in the same run: ln(second/first) with one joint interval."""

    run: str
    group: str
    first: str
    second: str
    log_ratio: float | None = None
    low: float | None = None
    high: float | None = None
    level: float
    p_value: float | None = None
    tokens: float | None = None
    outcome: Outcome
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """The data of a picture of one series: observed points and the fitted curve (in the metric's own sign)."""

    run: str
    group: str
    metric: str
    tokens: Array
    y: Array
    counts: bool
    fitted_tokens: Array | None = None
    fitted: Array | None = None
    units: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectionReport:
    """All transitions and lags of a cube, with the settings that gave them.

    ``notes`` say what was decided for the user, such as the dimensions that scores were averaged over; ``parts`` say
    what the label of each group stands for.
    """

    cube: str
    settings: dict[str, Any]
    transitions: tuple[Transition, ...]
    lags: tuple[Lag, ...]
    curves: tuple[Curve, ...] = ()
    provenance: dict[str, str] | None = None
    notes: tuple[str, ...] = ()
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the contract (DESIGN, section 8)."""
        return {
            "schema": SCHEMA,
            "cube": self.cube,
            "settings": self.settings,
            "transitions": [_row(t) for t in self.transitions],
            "lags": [_row(lag) for lag in self.lags],
            "notes": list(self.notes),
        }

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON to a file, or to standard output for ``"-"``.

        Parameters
        ----------
        path : path or "-"
            Where to write.
        """
        emit_json(os.fspath(path), self.to_dict())

    def of(self, run: str, metric: str, estimand: str, group: str = "") -> Transition | None:
        """Return one row, or None when it is not there.

        Parameters
        ----------
        run : str
            Name of the run.
        metric : str
            Name of the metric.
        estimand : str
            Which row of the series.
        group : str
            Part of the run; empty for all of it.
        """
        for t in self.transitions:
            if (t.run, t.group, t.metric, t.estimand) == (run, group, metric, estimand):
                return t
        return None


def _row(result: Transition | Lag) -> dict[str, Any]:
    row = asdict(result)
    for f in fields(result):
        value = row[f.name]
        if isinstance(value, StrEnum):
            row[f.name] = value.value
        elif isinstance(value, float | np.floating):
            row[f.name] = float(value) if math.isfinite(value) else None
    return row


NUMERICAL = (ArithmeticError, ValueError, IndexError)
"""Errors that the numbers of one series can cause."""


def isolated(work: Callable[[], T], failed: Callable[[str], T]) -> T:
    """Return what ``work`` gives; where the numbers of its series fail, what ``failed`` makes of the reason.

    One series must not take the others of a cube with it. Errors of users and of the program itself pass.

    Parameters
    ----------
    work : callable
        The analysis of one series, or of two.
    failed : callable
        Takes the reason, which names the error, and returns a row or a refusal of outcome ``not_converged``.
    """
    try:
        return work()
    except UserError:
        raise
    except NUMERICAL as error:
        text = " ".join(str(error).split())[:160]
        return failed(f"the analysis of this series failed ({type(error).__name__}: {text}); the others stand")


def finite(value: float) -> float | None:
    """Return a plain float, or None where there is none.

    Parameters
    ----------
    value : float
        Any number.
    """
    return float(value) if math.isfinite(value) else None

"""Results: transitions and lags with their outcome and one sentence each, and their JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal

import numpy as np

from calque.data.command_line.output import emit_json
from calque.data.version import analysis_versions
from calque.phases.diagnosis import Diagnosis
from calque.phases.likelihood import TakeoffLikelihood
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

SCHEMA = 1
Estimand = Literal[
    "takeoff", "delay", "onset", "t10", "t50", "width", "peak", "decline", "crossover", "phases", "kink", "level"
]
Role = Literal["primary", "exploratory"]


class Outcome(StrEnum):
    """The outcome of an estimand.

    Only ``found`` (and ``smooth``, ``metric_dependent``, ``not_established``, ``model_does_not_fit`` if located) carry
    numbers.
    """

    FOUND = "found"
    NONE = "none"
    SMOOTH = "smooth"
    NOT_SHARPLY_LOCATED = "not_sharply_located"
    CENSORED = "censored"
    TOO_FEW_POINTS = "too_few_points"
    NOT_CONVERGED = "not_converged"
    METRIC_DEPENDENT = "metric_dependent"
    NOT_ESTABLISHED = "not_established"
    DECLINING = "declining"
    NOISE_TOO_PERSISTENT = "noise_too_persistent"
    MODEL_DOES_NOT_FIT = "model_does_not_fit"


@dataclass(frozen=True, kw_only=True, eq=False)
class Refusal:
    """Why a series cannot be analysed.

    Attributes
    ----------
    told : float or None
        Of a series whose noise is too persistent: the share that it has of the gain that would tell growth from it.
    """

    trajectory: Trajectory
    outcome: Outcome
    reason: str
    told: float | None = None


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One estimand of one series; ``tokens``, ``low``, ``high`` in tokens, absent values None.

    ``phases`` is a number only for the estimand of that name; 3 means three or more. ``falls`` is True of a score that
    falls as training succeeds: its takeoff is where the fall begins, its peak the lowest point. ``role`` is that of the
    series' test, on the row of that test alone: ``primary`` (declared before looking, one a run) or ``exploratory``;
    ``p_adjusted`` decides the outcome, and is the p-value itself where the test is primary. Where the answer hangs
    on one checkpoint, ``without_checkpoint`` is that checkpoint in tokens, and the other ``without_*`` the answer
    without it. ``at_change`` says at which change of the schedule a finding begins. ``told_by`` is how many
    runs of the condition together tell growth from noise that lasts as long as the run, where this run alone cannot;
    else 0. On another ``axis`` than tokens
    ``position``, ``position_low``, ``position_high`` are the place there, and ``tokens``, ``low``, ``high`` the same
    place in tokens.
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
    role: Role | None = None
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
    at_change: str | None = None
    told_by: int = 0
    axis: str = "tokens"
    position: float | None = None
    position_low: float | None = None
    position_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Lag:
    """How much later ``second`` took off than ``first`` in the same run: ln(second/first) with one joint interval.

    On another ``axis`` than tokens the ratio is of positions there, and ``tokens`` is None. ``p_adjusted`` is the
    p-value adjusted over the lags of the report; it decides the outcome.
    """

    run: str
    group: str
    first: str
    second: str
    log_ratio: float | None = None
    low: float | None = None
    high: float | None = None
    level: float
    p_value: float | None = None
    p_adjusted: float | None = None
    tokens: float | None = None
    outcome: Outcome
    reason: str
    axis: str = "tokens"


@dataclass(frozen=True, kw_only=True)
class VariedAnswer:
    """Delayed start and takeoff of one series when one choice of the analysis is varied.

    Attributes
    ----------
    variation, kind : str
        The choice in words, and what kind it is: asked, height, level, checkpoints, noise, axis.
    delay : Outcome
        Of the test of a delayed start, with its ``p_value``.
    outcome : Outcome
        Of takeoff, with ``tokens``, ``low``, ``high``.
    holds : bool
        Whether the answer is that of the series as asked.
    """

    run: str
    group: str
    metric: str
    variation: str
    kind: str
    delay: Outcome
    p_value: float | None = None
    outcome: Outcome
    tokens: float | None = None
    low: float | None = None
    high: float | None = None
    n_checkpoints: int
    holds: bool


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
    what the label of each group stands for; ``diagnostics`` say of each series that was fitted whether the model fits.
    ``sensitivity`` is empty unless it was asked for. ``likelihoods``
    are of the takeoffs that have a row with a time or a bound, where positions are in tokens.
    """

    cube: str
    settings: dict[str, Any]
    transitions: tuple[Transition, ...]
    lags: tuple[Lag, ...]
    curves: tuple[Curve, ...] = ()
    diagnostics: tuple[Diagnosis, ...] = ()
    provenance: dict[str, str] | None = None
    notes: tuple[str, ...] = ()
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    sensitivity: tuple[VariedAnswer, ...] = ()
    likelihoods: tuple[TakeoffLikelihood, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the contract (DESIGN, section 8)."""
        return {
            "schema": SCHEMA,
            "cube": self.cube,
            "versions": analysis_versions(),
            "settings": self.settings,
            "transitions": [_row(t) for t in self.transitions],
            "lags": [_row(lag) for lag in self.lags],
            "notes": list(self.notes),
            "parts": {group: dict(part) for group, part in self.parts.items()},
            "diagnostics": [d.row() for d in self.diagnostics],
            "families": [
                {"run": d.run, "group": d.group, "metric": d.metric, **vars(one)}
                for d in self.diagnostics
                for one in d.families
            ],
            "sensitivity": [_row(answer) for answer in self.sensitivity],
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


def _row(result: Transition | Lag | VariedAnswer) -> dict[str, Any]:
    row = asdict(result)
    for f in fields(result):
        value = row[f.name]
        if isinstance(value, StrEnum):
            row[f.name] = value.value
        elif isinstance(value, float | np.floating):
            row[f.name] = float(value) if math.isfinite(value) else None
    return row


def finite(value: float) -> float | None:
    """Return a plain float, or None where there is none.

    Parameters
    ----------
    value : float
        Any number.
    """
    return float(value) if math.isfinite(value) else None

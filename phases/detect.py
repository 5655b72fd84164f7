"""Detecting the transitions of a cube: every series of every run, then the lags within each run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Literal

import numpy as np
import xarray as xr

from data.cube import validate
from data.errors import UserError, nearest
from phases.analyse import Analysis, analyse
from phases.axis import Axis, Scale
from phases.classical import FAMILIES
from phases.dictionary import Dictionary
from phases.judge import crossover_row, lag_row, rows
from phases.metrics import LOGPROB_OF, trajectories
from phases.results import Curve, DetectionReport, Lag, Outcome, Transition

LAGS = (("copying", "translation"), ("false_copying", "translation"), ("nonce_copying", "translation"))
CROSSOVER = ("false_copying", "translation")
Link = Literal["identity", "logit"]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to ask of a cube.

    Attributes
    ----------
    metrics : tuple of str, optional
        Names of metrics or variables; the standard set when None.
    by : tuple of str
        How to split: run (always), size, mix, source, target, pair.
    boot : int
        Bootstrap replicates a series, at least 19.
    seed : int
        Seed of all generators; each series derives its own from its name.
    level : float
        Coverage of intervals; tests are at 1 - level.
    rise : float
        Height above the floor that defines takeoff: of a proportion itself, of the rise of a continuous score.
    scale : {"log", "linear"}
        Axis that shapes live on.
    family : str
        ``dictionary``, or a classical model of ``phases.classical``.
    link : {"identity", "logit"}
        Scale of the score on which a classical model is linear; the dictionary has no use for it.
    """

    metrics: tuple[str, ...] | None = None
    by: tuple[str, ...] = ("run",)
    boot: int = 199
    seed: int = 0
    level: float = 0.95
    rise: float = 0.05
    scale: Scale = "log"
    family: str = "dictionary"
    link: Link = "logit"

    def __post_init__(self) -> None:
        if not 19 <= self.boot <= 100_000:
            raise UserError(f"--boot {self.boot}: expected 19 to 100000 replicates")
        if not 0.5 <= self.level <= 0.999:
            raise UserError(f"--level {self.level:g}: expected a coverage from 0.5 to 0.999, such as 0.95")
        if not 0 < self.rise < 1:
            raise UserError(f"--rise {self.rise:g}: expected a height between 0 and 1, such as 0.05")
        if self.scale not in ("log", "linear"):
            raise UserError(f"--scale {self.scale}: expected log or linear")
        if self.seed < 0:
            raise UserError(f"--seed {self.seed}: expected 0 or more")
        if self.family not in FAMILIES:
            raise UserError(
                f"--family {self.family}: expected one of {', '.join(FAMILIES)}" + nearest(self.family, FAMILIES)
            )
        if self.link not in ("identity", "logit"):
            raise UserError(f"--link {self.link}: expected identity or logit")


def detect(
    cube: xr.Dataset, settings: Settings = Settings(), progress: Progress | None = None, name: str = "cube"
) -> DetectionReport:
    """Find the transitions and lags of a cube.

    Parameters
    ----------
    cube : xarray.Dataset
        Schema 1; validated here.
    settings : Settings
    progress : callable, optional
        Called with (done, total, what) before each series.
    name : str
        How the report names the cube.

    Raises
    ------
    UserError
        When the cube or the settings cannot be used.
    """
    cube = validate(cube, name)
    series = trajectories(cube, settings.metrics, settings.by)
    provenance = {str(k): str(v) for k, v in cube.attrs.items()}
    if settings.family != "dictionary":
        from phases.classical.detect import detect_classical

        return detect_classical(series, settings, progress, name, provenance)
    analyses: list[Analysis] = []
    dictionaries: dict[bytes, Dictionary] = {}
    for i, t in enumerate(series):
        if progress is not None:
            progress(i, len(series), f"{t.run} {t.group} {t.metric}".replace("  ", " "))
        grid = None
        if t.n >= 2:
            grid = dictionaries.get(t.tokens.tobytes())
            if grid is None:
                grid = dictionaries[t.tokens.tobytes()] = Dictionary(Axis.of(t.tokens, settings.scale))
        analyses.append(
            analyse(
                t, rise=settings.rise, boot=settings.boot, level=settings.level, seed=settings.seed,
                scale=settings.scale, dictionary=grid,
            )
        )  # fmt: skip
    if progress is not None:
        progress(len(series), len(series), "lags")
    transitions: list[Transition] = []
    lags: list[Lag] = []
    for _, of_run in groupby(analyses, key=lambda a: (a.trajectory.run, a.trajectory.group)):
        by_metric = {a.trajectory.metric: a for a in of_run}
        found, between = _of_group(by_metric, settings)
        transitions += found
        lags += between
    return DetectionReport(
        cube=name,
        settings=asdict(settings),
        transitions=tuple(adjusted(transitions)),
        lags=tuple(lags),
        curves=tuple(_curve(a) for a in analyses),
        provenance=provenance,
    )


def _of_group(by_metric: dict[str, Analysis], settings: Settings) -> tuple[list[Transition], list[Lag]]:
    found = {m: rows(a, settings.level) for m, a in by_metric.items()}
    for metric, companion in LOGPROB_OF.items():
        if metric in found and companion in found:
            found[metric] = _checked(found[metric], by_metric[companion], companion, settings.level)
    transitions = [row for m in found for row in found[m]]
    lags = []
    usable = {m: a for m, a in by_metric.items() if _has_takeoff(found[m])}
    first, second = CROSSOVER
    if first in by_metric and second in by_metric:
        transitions.append(crossover_row(by_metric[first], by_metric[second], usable, settings))
    for first, second in LAGS:
        if first in by_metric and second in by_metric:
            lags.append(lag_row(by_metric[first], by_metric[second], usable, settings))
    return transitions, lags


def _has_takeoff(found: Sequence[Transition]) -> bool:
    return any(t.estimand == "takeoff" and t.tokens is not None for t in found)


def _checked(found: list[Transition], companion: Analysis, name: str, level: float) -> list[Transition]:
    """Label a delayed start metric-dependent when the log-probability rises without one."""
    delay = companion.delay
    if delay is None or delay.p_rise > 1 - level or delay.p_value <= 1 - level:
        return found
    out = []
    for t in found:
        if t.estimand in ("delay", "takeoff") and t.outcome == Outcome.FOUND:
            note = f"; but {name} rises without a delayed start (p = {delay.p_value:.2g}): depends on the metric"
            t = replace(t, outcome=Outcome.METRIC_DEPENDENT, reason=t.reason + note)
        out.append(t)
    return out


def adjusted(transitions: Sequence[Transition]) -> list[Transition]:
    """Fill p_adjusted: Benjamini-Yekutieli over the delay tests of the report."""
    from scipy.stats import false_discovery_control

    at = [i for i, t in enumerate(transitions) if t.estimand == "delay" and t.p_value is not None]
    out = list(transitions)
    if at:
        p = false_discovery_control([transitions[i].p_value or 0.0 for i in at], method="by")
        for i, value in zip(at, np.atleast_1d(p), strict=True):
            out[i] = replace(out[i], p_adjusted=float(value))
    return out


def _curve(a: Analysis) -> Curve:
    t = a.trajectory
    sign = -1.0 if t.falls else 1.0
    fitted_tokens = fitted = None
    if a.fit is not None:
        x = a.fit.axis.dense()
        x = x[x >= a.fit.axis.first]
        fitted_tokens = a.fit.axis.to_tokens(x)
        shape = a.fit.candidates.at(x, np.array([a.fit.best]))[:, 0]
        fitted = sign * (float(a.fit.curve[0]) + a.fit.amplitude[a.fit.best] * shape)
    return Curve(
        run=t.run, group=t.group, metric=t.metric, tokens=t.tokens, y=sign * t.y, counts=t.proportion,
        fitted_tokens=fitted_tokens, fitted=fitted,
    )  # fmt: skip

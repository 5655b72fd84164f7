"""Classical models of every series of a cube: from trajectories to the rows of a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from calque.data.quantities import format_count, format_estimate
from calque.phases.classical.growth import Name, fit_growth
from calque.phases.classical.kink import fit_kink
from calque.phases.classical.level import Break, fit_levels
from calque.phases.classical.markov import fit_switch
from calque.phases.classical.series import RegressionSeries
from calque.phases.generators import classical_generator
from calque.phases.isolation import isolated
from calque.phases.processes import one_thread
from calque.phases.results import Curve, DetectionReport, Estimand, Outcome, Transition, finite
from calque.phases.series.axis import Array, Axis
from calque.phases.series.trajectory import Trajectory
from calque.phases.wording import series_words

if TYPE_CHECKING:
    from calque.phases.processes import Progress
    from calque.phases.settings import Settings

Place = tuple[float, float | None, float | None]
"""Tokens, lower and upper limit; None where open."""
BLUNT = 10.0
"""An interval that spans more than this factor of tokens does not locate anything sharply."""


@dataclass(frozen=True, eq=False)
class Answer:
    """The rows of one series, and the fitted curve where the model has one (in the metric's own sign)."""

    rows: tuple[Transition, ...]
    fitted_tokens: Array | None = None
    fitted: Array | None = None


@one_thread
def detect_classical(
    series: Sequence[Trajectory], settings: Settings, progress: Progress | None, name: str, provenance: dict[str, str]
) -> DetectionReport:
    """Return the report of ``settings.family`` over the trajectories of a cube; it has no lags.

    Parameters
    ----------
    series : sequence of Trajectory
        The series of a cube.
    settings : Settings
        Family, scale, link and level.
    progress : callable or None
        Called with the finished series, their total, and the name of the current one.
    name : str
        Name of the cube in the report.
    provenance : dict of str to str
        Attributes of the cube.

    Returns
    -------
    DetectionReport
        One row for each series and estimand, with the outcomes that follow from each p-value by itself.
    """
    answers = []
    for i, t in enumerate(series):
        if progress is not None:
            progress(i, len(series), series_words(t.run, t.group, t.metric))
        answers.append(answer(t, settings))
    if progress is not None:
        progress(len(series), len(series), "done")
    return DetectionReport(
        cube=name,
        settings=asdict(settings),
        transitions=tuple(row for a in answers for row in a.rows),
        lags=(),
        curves=tuple(_curve(t, a) for t, a in zip(series, answers, strict=True)),
        provenance=provenance,
    )


def answer(t: Trajectory, settings: Settings) -> Answer:
    """Fit the classical model ``settings.family`` to one series.

    Parameters
    ----------
    t : Trajectory
        The series.
    settings : Settings
        Family, scale, link and level.

    Returns
    -------
    Answer
        Rows of the report, with the fitted curve.
    """
    s = RegressionSeries.of(t, settings.scale, settings.link)
    if not isinstance(s, RegressionSeries):
        common = _Common(t, settings.level, t.n, ())
        return Answer(tuple(common.empty(e, s.outcome, s.reason) for e in ESTIMANDS[settings.family]))
    common = _Common(t, settings.level, s.n, s.notes)
    return isolated(
        lambda: MODELS[settings.family](s, common, settings),
        lambda why: Answer(tuple(common.empty(e, Outcome.NOT_CONVERGED, why) for e in ESTIMANDS[settings.family])),
    )


@dataclass(frozen=True)
class _Common:
    """What all rows of a series share."""

    trajectory: Trajectory
    level: float
    n: int
    notes: tuple[str, ...]

    @property
    def sign(self) -> float:
        return -1.0 if self.trajectory.falls else 1.0

    @property
    def noun(self) -> str:
        return "fall" if self.trajectory.falls else "rise"

    def _row(self, estimand: Estimand, outcome: Outcome, reason: str, **numbers: float | None) -> Transition:
        t = self.trajectory
        return Transition(
            run=t.run, group=t.group, metric=t.metric, estimand=estimand, outcome=outcome,
            reason="; ".join((reason, *self.notes)), level=self.level, n_checkpoints=self.n, falls=t.falls,
            **cast(Any, numbers),
        )  # fmt: skip

    def empty(self, estimand: Estimand, outcome: Outcome, reason: str, p: float | None = None) -> Transition:
        """Return a row without a location."""
        return self._row(estimand, outcome, reason, p_value=p)

    def located(self, estimand: Estimand, what: str, at: Place, p: float | None, rest: str = "") -> Transition:
        """Return a row whose outcome follows from its interval: (tokens, low, high), None where open."""
        tokens, low, high = at
        low = None if low is None or not math.isfinite(low) or low <= 0 else low
        high = None if high is None else finite(high)
        outcome = Outcome.FOUND
        reason = f"{what} at {format_estimate(tokens, low, high, 'tokens')}"
        if low is None and high is None:
            outcome, reason = Outcome.NOT_SHARPLY_LOCATED, reason + ": anywhere in the run fits"
        elif high is None:
            outcome, reason = Outcome.CENSORED, reason + ": it may not come before the last checkpoint"
        elif low is not None and high / low > BLUNT:
            outcome, reason = Outcome.NOT_SHARPLY_LOCATED, reason + f": more than a factor of {BLUNT:g}"
        return self._row(estimand, outcome, reason + rest, tokens=tokens, low=low, high=high, p_value=p)


def _kink(s: RegressionSeries, common: _Common, settings: Settings) -> Answer:
    k = fit_kink(s, settings.level)
    p = finite(k.p_value)
    if k.outcome != Outcome.FOUND:
        return Answer((common.empty("kink", k.outcome, k.reason, p),))
    unit = "per decade" if settings.scale == "log" else "over the length of the run"
    per = 1.0 if settings.scale == "log" else float(s.x[-1])
    before, after = (f"{common.sign * b * per:.3g}" for b in k.slopes)
    rest = f"; slope {'of the logit ' if s.logit else ''}from {before} to {after} {unit}"
    if k.p_second <= 1 - settings.level:
        rest += f"; one kink is not enough (Davies p of a second {k.p_second:.2g}), so its place and interval mislead"
    at = tuple(finite(float(s.axis.to_tokens(v))) if math.isfinite(v) else None for v in (k.position, k.low, k.high))
    row = common.located("kink", "kink", cast(Place, at), p, rest)
    x = _fine(s.axis)
    return Answer((row,), s.axis.to_tokens(x), common.sign * s.mean(k.scores(x)))


def _level(s: RegressionSeries, common: _Common, settings: Settings) -> Answer:
    rng = classical_generator(settings.seed, common.trajectory.key)
    found = fit_levels(s, rng, settings.level, settings.boot)
    p = finite(found.p_value)
    if found.outcome != Outcome.FOUND:
        return Answer((common.empty("level", found.outcome, found.reason, p),))
    tokens = s.axis.tokens

    def row(j: int, b: Break) -> Transition:
        low, high = (None if i is None else float(tokens[i]) for i in (b.low, b.high))
        means = [common.sign * float(s.mean(np.array(v))) for v in (b.before, b.after)]
        rest = f"; level from {means[0]:.3g} to {means[1]:.3g} by {format_count(float(tokens[b.last + 1]))} tokens"
        which = f"break {j + 1} of {len(found.breaks)}, last checkpoint of the old level,"
        return common.located("level", which, (float(tokens[b.last]), low, high), p, rest)

    rows = tuple(row(j, b) for j, b in enumerate(found.breaks))
    return Answer(rows, tokens, common.sign * s.mean(found.scores(s)))


def _markov(s: RegressionSeries, common: _Common, settings: Settings) -> Answer:
    found = fit_switch(s, classical_generator(settings.seed, common.trajectory.key), settings.level)
    if found.outcome != Outcome.FOUND:
        return Answer((common.empty("kink", found.outcome, found.reason),))
    tokens = s.axis.tokens
    if found.first == 0:
        reason = f"growth is in the fast regime from the first checkpoint ({format_count(float(tokens[0]))}) on"
        return Answer((common.empty("kink", Outcome.CENSORED, reason),))
    slow, fast = (f"{m:.3g}" for m in found.means)
    rest = f"; mean growth a checkpoint from {slow} to {fast} standard errors; interval given the estimated regimes"
    at = (float(tokens[found.first]), float(tokens[found.low]) if found.low > 0 else None, float(tokens[found.high]))
    return Answer((common.located("kink", "switch into fast growth", at, None, rest),))


def _growth(s: RegressionSeries, common: _Common, settings: Settings) -> Answer:
    g = fit_growth(s, cast(Name, settings.family), proportion=common.trajectory.proportion)
    if g.outcome != Outcome.FOUND:
        return Answer(tuple(common.empty(e, g.outcome, g.reason) for e in ESTIMANDS[settings.family]))
    assert g.theta is not None
    floor, top = (f"{common.sign * float(v):.3g}" for v in g.theta[:2])
    rest = f"; {g.name} from {floor} to {top}"
    last = float(s.axis.tokens[-1])
    rows = []
    for estimand, q in (("t10", 0.1), ("t50", 0.5)):
        tokens, low, high = (float(s.axis.to_tokens(v)) for v in g.place(q, settings.level))
        row = common.located(
            cast(Estimand, estimand), f"{100 * q:g} % of the {common.noun}", (tokens, low, high), None, rest
        )
        if tokens > last:
            reason = f"{row.reason}; beyond the last checkpoint: the upper asymptote is extrapolated"
            row = replace(row, outcome=Outcome.CENSORED, reason=reason)
        elif tokens < s.axis.tokens[0]:
            reason = f"{row.reason}; before the first checkpoint: the lower asymptote is extrapolated"
            row = replace(row, outcome=Outcome.CENSORED, reason=reason)
        rows.append(row)
    start = g.place(0.1, settings.level)[0]
    at = float(s.axis.to_tokens(start))
    width = tuple(finite(float(s.axis.to_tokens(start + w)) - at) for w in g.width(settings.level))
    row = common.located("width", f"10 to 50 % of the {common.noun}:", cast(Place, width), None)
    reason = f"10 to 50 % of the {common.noun} takes {format_estimate(width[0], row.low, row.high, 'tokens')}"
    censored = Outcome.CENSORED if Outcome.CENSORED in (r.outcome for r in rows) else row.outcome
    rows.append(replace(row, outcome=censored, reason="; ".join((reason, *common.notes))))
    x = _fine(s.axis)
    return Answer(tuple(rows), s.axis.to_tokens(x), common.sign * g.scores(x))


MODELS: Mapping[str, Callable[[RegressionSeries, _Common, Settings], Answer]] = {
    "kink": _kink, "level": _level, "markov": _markov, "logistic": _growth, "gompertz": _growth,
}  # fmt: skip
ESTIMANDS: Mapping[str, tuple[Estimand, ...]] = {
    "kink": ("kink",), "level": ("level",), "markov": ("kink",), "logistic": ("t10", "t50", "width"),
    "gompertz": ("t10", "t50", "width"),
}  # fmt: skip


def _fine(axis: Axis) -> Array:
    x = axis.dense()
    return x[x >= axis.first]


def _curve(t: Trajectory, a: Answer) -> Curve:
    return Curve(
        run=t.run, group=t.group, metric=t.metric, tokens=t.tokens, y=(-1.0 if t.falls else 1.0) * t.y,
        counts=t.proportion, fitted_tokens=a.fitted_tokens, fitted=a.fitted, units=t.units,
    )  # fmt: skip

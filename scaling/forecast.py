"""Forecasting the transition time of a size that was not run, or saying plainly why that cannot be done."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data.errors import UserError
from scaling.fit import ScalingFit, fit
from scaling.laws import LAWS
from scaling.observations import Observation, human, sizes
from scaling.rollout import Rollout, discrepancy, rollouts, root_mean_square

NAMED_SIZES = {"1.7b": 1_132_562_432}
"""Calque's full size: 1,669,433,344 parameters, of which 536,870,912 embed or unembed tokens."""
SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
WIDEST = 10.0
FARTHEST = 100.0


@dataclass(frozen=True, kw_only=True)
class ForecastRow:
    """What one law says about the size.

    Attributes
    ----------
    law : str
        Its name.
    tokens, low, high : float or None
        The forecast for one new run, with its interval at ``level``; None where refused.
    outcome, reason : str
        ``found``; ``too_few_points``, ``censored``, ``not_sharply_located`` or ``not_converged``, and why.
    extrapolation : float or None
        Target size over the largest located size.
    parameter_sd, seed_sd, discrepancy_sd : float or None
        SDs of ln T that make up the interval; the last is None where no roll-out was possible.
    rollout_rms : float or None
        Root mean squared error in ln T on the sizes left out; None without roll-outs.
    """

    law: str
    level: float
    outcome: str
    reason: str
    tokens: float | None = None
    low: float | None = None
    high: float | None = None
    extrapolation: float | None = None
    parameter_sd: float | None = None
    seed_sd: float | None = None
    discrepancy_sd: float | None = None
    rollout_rms: float | None = None


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A forecast by every law, in sentences and numbers."""

    metric: str
    size: str
    n: float
    sentences: tuple[str, ...]
    rows: tuple[ForecastRow, ...]
    observations: tuple[Observation, ...]

    def to_dict(self, cube: str) -> dict[str, Any]:
        """Return the JSON report (schema 1); absent values are None."""
        return {
            "schema": 1,
            "cube": cube,
            "metric": self.metric,
            "size": self.size,
            "n_params_non_embedding": self.n,
            "sentences": list(self.sentences),
            "rows": [asdict(row) for row in self.rows],
            "transitions": [o.to_dict() for o in self.observations],
        }


def parse_size(text: str) -> float:
    """Return the non-embedding parameters that ``text`` names.

    A number, plain or with k, m, b, t, counts non-embedding parameters; ``1.7b`` names Calque's full size,
    whose non-embedding parameters are 1,132,562,432.

    Raises
    ------
    UserError
        When it is no positive number.
    """
    word = text.strip().lower().replace("_", "").replace(",", "")
    if word in NAMED_SIZES:
        return float(NAMED_SIZES[word])
    scale = SUFFIXES.get(word[-1:], 1.0)
    try:
        value = float(word[:-1] if word[-1:] in SUFFIXES else word) * scale
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 1:
        raise UserError(
            f"--size {text!r} is no size; expected non-embedding parameters as 1.7b, 350m or a plain number"
        )
    return value


def forecast(
    observations: Sequence[Observation],
    size: str,
    *,
    metric: str = "translation",
    level: float = 0.9,
    draws: int = 4000,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Forecast:
    """Forecast the takeoff of a run of ``size`` by every law.

    The interval is for one new run: it adds what the parameters leave open, the scatter between seeds and,
    where sizes can be left out, how far the law has missed larger sizes (:mod:`scaling.rollout`).

    Parameters
    ----------
    observations : sequence of Observation
        One a run.
    size : str
        See :func:`parse_size`.
    metric : str
        Named in the sentences.
    level : float
        Of the intervals.
    draws : int
        Draws of the parameters.
    seed : int
        Of all chance.
    progress : callable, optional
        Called with a law's name before it is fitted.
    """
    n = parse_size(size)
    observations = tuple(observations)
    rows = []
    for name in LAWS:
        if progress is not None:
            progress(name)
        rows.append(_row(observations, name, n, level, draws, seed))
    return Forecast(
        metric=metric,
        size=size,
        n=n,
        sentences=_sentences(rows, observations, size, n, metric),
        rows=tuple(rows),
        observations=observations,
    )


def _row(
    observations: tuple[Observation, ...], name: str, n: float, level: float, draws: int, seed: int
) -> ForecastRow:
    fitted = fit(observations, name, level=level, draws=draws, seed=seed)
    if not fitted.converged:
        return ForecastRow(law=name, level=level, outcome=fitted.outcome, reason=fitted.reason)
    largest = sizes(observations)[-1]
    errors = rollouts(observations, name, seed=seed)
    return _forecast_row(fitted, errors, n, largest, level, seed)


def _forecast_row(
    fitted: ScalingFit, errors: tuple[Rollout, ...], n: float, largest: float, level: float, seed: int
) -> ForecastRow:
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    log_time = fitted.log_time(n)
    sigma = np.exp(fitted.draws[:, -1])
    wrong = discrepancy(errors, math.log(max(n / largest, 1.0)))
    new_run = log_time + sigma * rng.normal(size=sigma.size) + wrong * rng.normal(size=sigma.size)
    low, middle, high = np.exp(np.quantile(new_run, [0.5 - level / 2, 0.5, 0.5 + level / 2])).tolist()
    tokens = float(np.exp(np.median(log_time)))
    outcome, reason = "found", ""
    if n / largest > FARTHEST:
        outcome, reason = (
            "not_sharply_located",
            f"{_times(n / largest)} the largest size is too far to extrapolate",
        )
        low = high = None
    elif fitted.flat and high / low > 2.0:
        outcome, reason = "not_sharply_located", fitted.reason
    elif high / low > WIDEST:
        outcome = "not_sharply_located"
        reason = f"the interval spans a factor of {high / low:.3g}; more seeds or sizes further apart would narrow it"
    if outcome == "found":
        reason = f"{fitted.formula} on {len(sizes(fitted.data))} sizes, {_reach(n / largest)}"
    return ForecastRow(
        law=fitted.law,
        level=level,
        outcome=outcome,
        reason=reason,
        tokens=tokens if outcome == "found" else None,
        low=low,
        high=high,
        extrapolation=float(n / largest),
        parameter_sd=float(np.std(log_time)),
        seed_sd=float(np.sqrt(np.mean(sigma**2))),
        discrepancy_sd=wrong if errors else None,
        rollout_rms=root_mean_square(errors) if errors else None,
    )


def _sentences(
    rows: Sequence[ForecastRow], observations: Sequence[Observation], size: str, n: float, metric: str
) -> tuple[str, ...]:
    target = f"{size} ({human(n)} non-embedding parameters)"
    located = sizes(observations)
    if all(row.outcome in ("too_few_points", "censored") for row in rows):
        return (_too_few(observations, located, n, target, metric),)
    result = []
    for row in rows:
        law = f"{row.law} law"
        if row.outcome == "found":
            assert row.tokens and row.low and row.high and row.extrapolation
            result.append(
                f"By the {law}, {metric} of a {target} run takes off at {human(row.tokens)} tokens "
                f"({row.level:.0%} interval {human(row.low)} to {human(row.high)}), "
                f"{_reach(row.extrapolation)}"
                + (
                    ""
                    if row.discrepancy_sd is not None
                    else "; no size could be left out, so the interval trusts the law"
                )
                + "."
            )
        elif row.outcome == "too_few_points":
            result.append(f"No forecast by the {law}: {row.reason}.")
        else:
            spread = f" (interval {human(row.low)} to {human(row.high)} tokens)" if row.low and row.high else ""
            result.append(f"No point forecast for {target} by the {law}: {row.reason}{spread}.")
    tried = [row for row in rows if row.rollout_rms is not None]
    if len(tried) == len(rows) > 1:
        best = min(tried, key=lambda row: row.rollout_rms or 0.0)
        others = ", ".join(f"{row.law} {math.expm1(row.rollout_rms or 0.0):.0%}" for row in tried)
        result.append(f"Forecasting sizes left out, the {best.law} law missed least (typical miss: {others}).")
    spans = [(row.low, row.high) for row in rows if row.outcome == "found" and row.low and row.high]
    if len(spans) > 1:
        low, high = min(low for low, _ in spans), max(high for _, high in spans)
        result.append(
            f"Each interval holds if its law does, and few sizes cannot settle which: "
            f"{human(low)} to {human(high)} tokens spans the laws."
        )
    far = next((row.extrapolation for row in rows if row.extrapolation and row.extrapolation > 10), None)
    if far is not None:
        result.append(
            f"The target is {_times(far)} the largest size measured: nothing in the data shows that a law holds so far."
        )
    waiting = sum(o.kind == "right" for o in observations)
    if waiting:
        result.append(f"{waiting} run{'s' * (waiting != 1)} had not taken off by the end and count as later than that.")
    unused = [o for o in observations if o.kind == "unused"]
    if unused:
        result.append(
            f"{len(unused)} run{'s' * (len(unused) != 1)} could not be used "
            f"({unused[0].run}: {unused[0].reason or unused[0].outcome})."
        )
    return tuple(result)


def _too_few(observations: Sequence[Observation], located: list[float], n: float, target: str, metric: str) -> str:
    least = min(law.sizes for law in LAWS.values())
    needs = " and ".join(f"{law.sizes} for the {law.name} law" for law in LAWS.values())
    if not observations:
        have = "the cube holds no run with a takeoff"
    elif located:
        have = (
            f"the cube holds {len(located)} distinct size{'s' * (len(located) != 1)} with a located "
            f"takeoff of {metric} "
            f"({', '.join(human(value) for value in located)})"
        )
    else:
        have = f"no run of the cube has a located takeoff of {metric}"
    waiting = sizes(observations, ("right",))
    late = [value for value in waiting if not any(abs(value / other - 1) < 0.02 for other in located)]
    longer = (
        f"; longer runs of {', '.join(human(v) for v in late)}, which had not taken off, would help" if late else ""
    )
    more = _helpful(located or late, n, least - len(located) - len(late))
    helps = (
        f"; runs near {' and '.join(human(v) for v in more)} non-embedding parameters would help most" if more else ""
    )
    return f"No forecast for {target}: {have}, and a law needs {needs}{longer}{helps}."


def _helpful(have: Sequence[float], n: float, count: int) -> list[float]:
    """Sizes a third of the target and downwards by threes, none within a factor of 2 of one that is there."""
    candidates = [n / 3.0**k for k in range(1, 12)]
    fresh = [c for c in candidates if all(abs(math.log(c / h)) > math.log(2) for h in have)]
    return sorted(fresh[: max(count, 0)])


def _reach(factor: float) -> str:
    return (
        f"extrapolating to {_times(factor)} the largest size" if factor > 1 else "no larger than the largest size run"
    )


def _times(factor: float) -> str:
    return f"{factor:.2g} times" if factor < 100 else f"{factor:,.0f} times"

"""Fitting a law of takeoff time to runs: the maximum, and intervals from draws of the posterior.

The unit is the run, never the checkpoint: a run gives one time. Intervals are quantiles of draws under weak priors (see
:mod:`calque.scaling.laws.likelihood`, :mod:`calque.scaling.laws.floor`), which keep their coverage with three or five
runs, where a bootstrap of the runs cannot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from calque.data.quantities import format_count, plural
from calque.phases.results import Outcome
from calque.scaling.laws.maximum import is_flat, maximise
from calque.scaling.laws.posterior import draw_posterior
from calque.scaling.laws.registry import law
from calque.scaling.laws.result import ScalingFit
from calque.scaling.laws.run_times import run_times
from calque.scaling.observations import Observation, sizes


def fit(
    observations: Sequence[Observation],
    name: str,
    *,
    level: float = 0.95,
    draws: int = 4000,
    seed: int = 0,
    need: int | None = None,
    quick: bool = False,
) -> ScalingFit:
    """Fit a law of takeoff time in model size to runs.

    Parameters
    ----------
    observations : sequence of Observation
        One for each run.
    name : str
        ``power`` or ``floor``.
    level : float
        Of the intervals.
    draws : int
        Draws of the parameters.
    seed : int
        Of the sampler; the same seed gives the same numbers.
    need : int, optional
        Distinct sizes required; the law's own number when not given.
    quick : bool
        For repeated fits: a coarse search, and no check of the chain's length or of the law's shape.

    Returns
    -------
    ScalingFit
        Too few sizes are an outcome, not an error.

    Raises
    ------
    UserError
        When there is no law of that name.
    """
    chosen = law(name)
    observations = tuple(observations)
    refused = refuse(f"{name} law", observations, need or chosen.sizes)
    if refused is not None:
        outcome, reason = refused
        return ScalingFit(
            law=name, formula=chosen.formula, outcome=outcome, reason=reason, level=level, data=observations
        )
    data = run_times(observations)
    reference = float(data.n[data.located].max())
    best, ok = maximise(chosen, data, reference, rounds=1 if quick else 5)
    drawn = draw_posterior(chosen, data, reference, best, draws, np.random.default_rng(seed))
    points = drawn.points
    theta, public = best[:-1], chosen.public(points[:, :-1], reference)
    tails = np.quantile(public, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    flat = not quick and is_flat(chosen, data, reference, best)
    autocorrelation = math.nan if quick else drawn.autocorrelation()
    converged = ok and 0.1 < drawn.acceptance < 0.95 and (quick or drawn.long_enough(autocorrelation))
    outcome = "found"
    used = f"{plural(int(data.located.sum()), 'located run')} of {data.n.size}"
    reason = f"{chosen.formula} fitted to {used}{caveats(observations)}"
    if not converged:
        outcome, reason = "not_converged", "the search did not settle; the parameters are no estimate"
        if ok:
            reason = "the fit settled, but the sampler of its intervals did not: the intervals are no statement"
    elif flat:
        outcome = "not_sharply_located"
        reason = (
            "the runs do not tell a floor from a power law: at 90 % neither T0 = 0 nor T0 = 0.95 T(largest size) is "
            "ruled out; sizes further apart or more seeds would"
        )
    return ScalingFit(
        law=name,
        formula=chosen.formula,
        outcome=outcome,
        reason=reason,
        level=level,
        data=observations,
        parameters=dict(zip(chosen.parameters, chosen.public(theta, reference).tolist(), strict=True)),
        intervals={key: (float(low), float(high)) for key, low, high in zip(chosen.parameters, *tails, strict=True)},
        covariance=np.cov(public.T),
        residuals=(data.y - chosen.log_time(theta, np.log(data.n / reference)))[data.located],
        seed_sd=float(np.exp(np.median(points[:, -1]))),
        converged=converged,
        flat=flat,
        reference=reference,
        theta=theta,
        draws=points,
        autocorrelation=autocorrelation,
    )


def caveats(observations: Sequence[Observation]) -> str:
    """Return which runs could not be used and whose model does not fit, as the end of a sentence; empty for none.

    Parameters
    ----------
    observations : sequence of Observation
        One for each run.
    """
    out = ""
    left = [o for o in observations if o.kind == "unused"]
    if left:
        out += f"; {plural(len(left), 'run')} could not be used ({left[0].run}: {left[0].reason or left[0].outcome})"
    doubtful = [o.run for o in observations if o.kind == "located" and o.outcome == Outcome.MODEL_DOES_NOT_FIT]
    if doubtful:
        out += f"; the model of the noise does not fit {plural(len(doubtful), 'run')} that count ({doubtful[0]})"
    return out


def refuse(what: str, observations: Sequence[Observation], need: int) -> tuple[str, str] | None:
    """Return outcome and reason where fewer than ``need`` sizes are located, None otherwise.

    Parameters
    ----------
    what : str
        What needs them, for the reason.
    observations : sequence of Observation
    need : int
        Distinct sizes.
    """
    located, seen = sizes(observations), sizes(observations, ("located", "right", "left", "interval"))
    if len(located) >= need:
        return None
    if not located and any(o.kind == "right" for o in observations):
        last = max(o.low or 0.0 for o in observations if o.kind == "right")
        return "censored", f"no run had taken off by its last checkpoint ({format_count(last)} tokens at most)"
    have = f"{plural(len(located), 'distinct size')} with a located takeoff"
    if len(seen) > len(located):
        have += f" ({plural(len(seen), 'size')} in all)"
    return "too_few_points", f"{have}; the {what} needs {need}"

"""Fitting a loss law: the best of thousands of starts, and resamples of whole runs for its intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.scaling.loss.law import loss_law
from calque.scaling.loss.laws.base import LossLaw
from calque.scaling.loss.minimise import refine, screen
from calque.scaling.loss.objective import Objective
from calque.scaling.loss.points import Points
from calque.scaling.loss.profile import profiles
from calque.scaling.loss.result import LossFit

Array = NDArray[np.float64]
KEPT = 32
DRIFTING = 0.1
"""Share of resamples that may still move along a ridge when their rounds are over."""


def fit_loss(
    points: Points,
    name: str = "chinchilla",
    *,
    objective: Objective | None = None,
    level: float = 0.9,
    boot: int = 1000,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> LossFit:
    """Fit the law ``name`` to ``points``.

    Parameters
    ----------
    points : Points
        Rows; those of one run are resampled together.
    name : str
        See :func:`calque.scaling.loss.law.loss_law`.
    objective : Objective, optional
        Huber with delta 1e-3 on ln loss when not given.
    level, boot, seed : float, int, int
        Of the intervals; how many resamples; the same seed gives the same numbers.
    progress : callable, optional
        Called with (done, total, what).

    Raises
    ------
    UserError
        When the law needs a column that the points lack, or they hold several languages.
    """
    law, objective = loss_law(name), objective or Objective()
    report = progress or (lambda done, total, what: None)
    check(law, points)
    common: dict[str, Any] = {
        "law": name, "formula": law.formula, "level": level, "objective": objective, "points": points,
    }  # fmt: skip
    refused = _refuse(law, points)
    if refused:
        return LossFit(outcome="too_few_points", reason=refused, **common)
    prepared, log_loss = law.prepare(points), np.log(points.loss)
    report(0, 3, f"{name}: starts")
    starts = screen(law, prepared, log_loss, objective, law.starts(prepared, log_loss), KEPT)
    found = refine(law, prepared, log_loss, objective, starts)
    best = int(np.argmin(found.value))
    theta, value = found.theta[best], float(found.value[best])
    report(1, 3, f"{name}: {boot} resamples")
    draws = refine(
        law,
        prepared,
        log_loss,
        objective,
        np.tile(theta, (boot, 1)),
        resamples(points, boot, np.random.default_rng(seed)),
    )
    report(2, 3, f"{name}: profiles")
    tails = np.quantile(law.public(draws.theta), [0.5 - level / 2, 0.5 + level / 2], axis=0).tolist()
    shown = profiles(law, prepared, log_loss, objective, theta, value, runs=np.unique(points.run).size, level=level)
    flat = [p.parameter for p in shown if p.flat]
    outcome, reason = "found", f"{law.formula} fitted to {len(points)} points of {np.unique(points.run).size} runs"
    drifting = boot - int(draws.settled.sum())
    if not found.settled[best]:
        outcome, reason = "not_converged", "the search did not settle; the parameters are no estimate"
    elif flat:
        outcome = "not_sharply_located"
        reason = f"the points leave {', '.join(flat)} open: the profile does not close at {level:.0%}"
    elif drifting > DRIFTING * boot:
        outcome = "not_sharply_located"
        reason = f"the fit settled, but {drifting} of {boot} resamples of runs did not: they leave its parameters open"
    public = law.public(theta[None])[0]
    return LossFit(
        outcome=outcome, reason=reason, value=value, theta=theta, draws=draws.theta,
        parameters=dict(zip(law.parameters, public.tolist(), strict=True)),
        intervals={n: (a, b) for n, a, b in zip(law.parameters, *tails, strict=True)},
        profiles=shown, **common,
    )  # fmt: skip


def resamples(points: Points, boot: int, rng: np.random.Generator) -> Array:
    """Return how often every point counts in each resample of whole runs, (boot, m).

    Parameters
    ----------
    points : Points
        m rows.
    boot : int
        Resamples.
    rng : numpy.random.Generator
        Source of randomness.
    """
    runs, member = np.unique(points.run, return_inverse=True)
    counts = rng.multinomial(runs.size, np.full(runs.size, 1 / runs.size), boot)
    weights: Array = counts[:, member].astype(float)
    return weights


def check(law: LossLaw, points: Points) -> None:
    """Check that the points have what the law needs.

    Parameters
    ----------
    law : LossLaw
        What is to be fitted.
    points : Points
        To what.

    Raises
    ------
    UserError
        When a column is missing or the rows are of several languages.
    """
    for column in law.columns:
        if getattr(points, column) is None:
            raise UserError(f"the {law.name} law needs the column '{column}'; the points have none")
    if points.language is not None and np.unique(points.language).size > 1:
        known = ", ".join(np.unique(points.language).tolist())
        raise UserError(f"the points hold several languages ({known}); choose one with `language`")


def _refuse(law: LossLaw, points: Points) -> str:
    need, have = len(law.parameters) + 1, np.unique(points.run).size
    if have < need:
        return (
            f"{have} run{'s' * (have != 1)}; the {law.name} law has {len(law.parameters)} parameters and needs {need}"
        )
    columns = {"d": points.d} if law.name.startswith("broken") else {"n": points.n, "d": points.d}
    for name, word in (("n", "sizes"), ("d", "token counts")):
        distinct = np.unique(np.round(np.log(columns[name]), 2)).size if name in columns else 3
        if distinct < 3:
            return f"{distinct} distinct {word if distinct > 1 else word[:-1]}; the {law.name} law needs 3 at least"
    return ""

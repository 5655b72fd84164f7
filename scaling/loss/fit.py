"""Fitting a loss law: the best of thousands of starts, and resamples of whole runs for its intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.data.quantities import format_counts, format_number, plural
from calque.scaling.loss.law import loss_law
from calque.scaling.loss.laws.base import LossLaw, Prepared
from calque.scaling.loss.minimise import Minimum, refine, screen
from calque.scaling.loss.objective import Objective
from calque.scaling.loss.points import Points
from calque.scaling.loss.profile import profiles
from calque.scaling.loss.result import LossFit

Array = NDArray[np.float64]
KEPT = 32
ALIKE = 1e-6
"""Relative difference of objectives below which two starts have found the same minimum."""
LOADS = 0.3
"""Least loading of a parameter on the direction that the points tell least."""
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
    best = _best(found)
    theta, value = found.theta[best], float(found.value[best])
    if not found.settled[best]:
        reason = f"the search did not settle: the points hardly tell {hardly_told(law, prepared, theta)} apart"
        return LossFit(
            outcome="not_converged", reason=f"{reason}; {ranges(law, points)}", value=value, theta=theta, **common
        )  # fmt: skip
    report(1, 3, f"{name}: {plural(boot, 'resample')}")
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
    outcome = "found"
    reason = f"{law.formula} fitted to {plural(len(points), 'point')} of {plural(np.unique(points.run).size, 'run')}"
    drifting = boot - int(draws.settled.sum())
    if flat:
        outcome = "not_sharply_located"
        reason = (
            f"the points leave {', '.join(flat)} open: the profile does not close at {level:.0%}; {ranges(law, points)}"
        )
    elif drifting > DRIFTING * boot:
        outcome = "not_sharply_located"
        reason = (
            f"the fit settled, but {drifting} of {plural(boot, 'resample')} of runs did not: they leave its "
            "parameters open"
        )
    public = law.public(theta[None])[0]
    return LossFit(
        outcome=outcome, reason=reason, value=value, theta=theta, draws=draws.theta,
        parameters=dict(zip(law.parameters, public.tolist(), strict=True)),
        intervals={n: (a, b) for n, a, b in zip(law.parameters, *tails, strict=True)},
        profiles=shown, **common,
    )  # fmt: skip


def _best(found: Minimum) -> int:
    """Return the start of least objective; of those that end alike, one that settled."""
    alike = found.value <= found.value.min() * (1 + ALIKE)
    settled = np.flatnonzero(alike & found.settled)
    return int(settled[0]) if settled.size else int(np.argmin(found.value))


def hardly_told(law: LossLaw, prepared: Prepared, theta: Array) -> str:
    """Return the parameters that the points tell apart least, such as ``E and B``.

    They are those of the direction in which the fitted loss changes least: the last eigenvector of the information
    matrix, with coordinates in units of their own standard errors.

    Parameters
    ----------
    law : LossLaw
        The law.
    prepared : tuple of array
        What its ``prepare`` returned.
    theta : array, shape (p,)
        Where the search ended.
    """
    slopes = law.evaluate(theta[None], prepared)[1][0]
    size = np.linalg.norm(slopes, axis=1)
    gone = [name for name, length in zip(law.parameters, size, strict=True) if not length > 0]
    if gone:
        return " and ".join((*gone, "nothing"))
    unit = slopes / size[:, None]
    weakest = np.abs(np.linalg.eigh(unit @ unit.T)[1][:, 0])
    names = [name for name, share in zip(law.parameters, weakest, strict=True) if share > LOADS]
    return " and ".join((", ".join(names[:-1]), names[-1]))


def ranges(law: LossLaw, points: Points) -> str:
    """Return over which range the points lie, in words.

    Parameters
    ----------
    law : LossLaw
        One of breaks is of tokens alone.
    points : Points
        m rows.
    """
    said = []
    for values, noun in ((points.d, "tokens"), (points.n, "parameters")):
        least, most = format_counts(values.min(), values.max())
        factor = format_number(float(values.max() / values.min()))
        said.append(f"{least} to {most} {noun} (a factor of {factor})")
    if law.name.startswith("broken"):
        return f"they span {said[0]}: add runs outside of it"
    return f"they span {' and '.join(said)}: add runs outside of the narrower range"


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
            f"{plural(have, 'run')}; the {law.name} law has {plural(len(law.parameters), 'parameter')} and needs {need}"
        )
    columns = {"d": points.d} if law.name.startswith("broken") else {"n": points.n, "d": points.d}
    for name, word in (("n", "sizes"), ("d", "token counts")):
        distinct = np.unique(np.round(np.log(columns[name]), 2)).size if name in columns else 3
        if distinct < 3:
            return f"{distinct} distinct {word if distinct > 1 else word[:-1]}; the {law.name} law needs 3 at least"
    return ""

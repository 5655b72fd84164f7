"""Which words first: survival regression of the tokens at which each item was acquired."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import xarray as xr
from scipy.stats import t as student

from calque.data.cube import validate
from calque.data.errors import UserError, nearest
from calque.data.quantities import format_count, format_interval, plural
from calque.phases.acquisition.covariates import CovariateSet, design
from calque.phases.acquisition.model import (
    Errors,
    SurvivalData,
    choose_family,
    clustered_errors,
    shapley,
    wald_p,
    with_median,
)
from calque.phases.acquisition.results import AcquisitionReport, Predictor, Term
from calque.phases.acquisition.settings import MOST_PREDICTORS, AcquisitionSettings
from calque.phases.acquisition.success_report import predictors_of_success
from calque.phases.acquisition.times import ItemTimes, item_times
from calque.phases.processes import Progress, one_thread
from calque.phases.results import Outcome, finite
from calque.phases.stats.censored import CensoredFit
from calque.phases.stats.multiplicity import benjamini_yekutieli

FEWEST_ACQUIRED = 10
"""Acquired items a coefficient, below which maximum likelihood cannot be trusted (Peduzzi et al. 1995)."""
FEWEST_CONCEPTS = 8
DEFAULT = AcquisitionSettings()


@one_thread
def acquisition(
    cube: xr.Dataset, settings: AcquisitionSettings = DEFAULT, progress: Progress | None = None,
    name: str = "cube",
) -> AcquisitionReport:  # fmt: skip
    """Regress acquisition times of a cube's items on their covariates.

    Parameters
    ----------
    cube : xarray.Dataset
        Cube with outcomes of single items.
    settings : AcquisitionSettings
        Metric, covariates and level.
    progress : callable, optional
        Called with fits done, fits in all, and what is fitted.
    name : str
        Name of the cube in the report and in errors.

    Raises
    ------
    UserError
        When the cube has no item outcomes, or a covariate is not in it.
    """
    cube = _of_runs(validate(cube, name), settings.runs)
    items = item_times(cube, settings.metric, settings.lasting, settings.every_item)
    made = design(cube, items, settings.covariates)
    report = _report(made, settings, name)
    why = _too_little(made, report)
    report = replace(report, success=predictors_of_success(cube, items, settings, progress))
    if why is not None:
        return replace(report, outcome=why[0], reason=why[1])
    data = matrix(made, cube)
    fits = choose_family(data)
    if not fits:
        return replace(report, outcome=Outcome.NOT_CONVERGED, reason="no family of times has a finite likelihood")
    best = next(iter(fits.values()))
    tick = _ticker(progress, report.n_concepts + report.n_languages + 2 ** len(made.covariates) - 1)
    fixed = np.array([False, *(c.of == "fixed language" for c in made.covariates for _ in c.terms)])
    errors = clustered_errors(data, best, fixed, tick)
    groups = _groups(made)
    total, shares = shapley(data, groups, best.family, tick) if groups else (0.0, None)
    terms = _terms(made, groups, best, errors, settings.level)
    predictors = _predictors(made, groups, best, errors, shares, settings.level)
    median = with_median(best, data.x.mean(0))[-1]
    half = _half(errors, -1, settings.level)
    report = replace(
        report, family=best.family, aic={k: f.aic for k, f in fits.items()}, explained=finite(total),
        median=_exp(median), low=_exp(median - half), high=_exp(median + half), terms=terms, predictors=predictors,
    )  # fmt: skip
    return _judged(report)


def _of_runs(cube: xr.Dataset, runs: tuple[str, ...] | None) -> xr.Dataset:
    known = tuple(str(r) for r in cube["run"].values)
    for run in runs or ():
        if run not in known:
            raise UserError(f"`runs` has '{run}'; the cube has {', '.join(known)}" + nearest(run, known))
    return cube if runs is None else cube.isel(run=[known.index(r) for r in dict.fromkeys(runs)])


def matrix(made: CovariateSet, cube: xr.Dataset) -> SurvivalData:
    """Return design matrix, log times and clusters of the items.

    Parameters
    ----------
    made : CovariateSet
        Items with their covariates.
    cube : xarray.Dataset
        Their cube, for the names of the languages: they are numbered alike as source and as target.
    """
    t = made.items
    names = [
        [str(v) for v in (cube[d].values if d in cube.coords else range(cube.sizes[d]))] for d in ("source", "target")
    ]
    number = {name: i for i, name in enumerate(dict.fromkeys([*names[0], *names[1]]))}
    source, target = (np.array([number[n] for n in ns], np.int64) for ns in names)
    with np.errstate(divide="ignore"):
        low, high = np.log(t.low), np.log(t.high)
    x = np.column_stack([np.ones(len(t)), *(c.columns for c in made.covariates)])
    return SurvivalData(x, low, high, t.concept, source[t.source], target[t.target])


def _report(made: CovariateSet, settings: AcquisitionSettings, name: str) -> AcquisitionReport:
    t: ItemTimes = made.items
    right, left = int(t.right.sum()), int(t.left.sum())
    return AcquisitionReport(
        cube=name, settings=asdict(settings), metric=settings.metric,
        outcome=Outcome.NOT_CONVERGED, reason="", level=settings.level, n_items=len(t),
        n_interval=len(t) - right - left, n_right=right, n_left=left, n_missing=made.n_missing,
        n_set_aside=made.n_set_aside, n_runs=len(np.unique(t.run)), n_concepts=len(np.unique(t.concept)),
        n_languages=len(np.unique(np.concatenate([t.source, t.target]))), left_out=made.left_out,
    )  # fmt: skip


def _too_little(made: CovariateSet, r: AcquisitionReport) -> tuple[Outcome, str] | None:
    n_columns = sum(len(c.terms) for c in made.covariates)
    if len(made.covariates) > MOST_PREDICTORS:
        raise UserError(
            f"{len(made.covariates)} covariates vary over these items; at most {MOST_PREDICTORS} can share the "
            f"explained variation: choose `covariates` from {', '.join(c.name for c in made.covariates)}"
        )
    done = r.n_interval + r.n_left
    if done == 0:
        return Outcome.NONE, f"none of {plural(r.n_items, 'item')} of {r.metric} was lastingly acquired"
    if r.n_interval == 0:
        return (
            Outcome.CENSORED,
            f"all {plural(done, 'acquired item was', 'acquired items were')} there from their first checkpoint on",
        )
    if r.n_interval < FEWEST_ACQUIRED * (n_columns + 1):
        needed = FEWEST_ACQUIRED * (n_columns + 1)
        return Outcome.TOO_FEW_POINTS, (
            f"{plural(r.n_interval, 'item was', 'items were')} acquired between two checkpoints; {n_columns + 1} "
            f"coefficients need {needed}"
        )
    if r.n_concepts < FEWEST_CONCEPTS:
        return (
            Outcome.TOO_FEW_POINTS,
            f"{plural(r.n_concepts, 'concept')}; errors clustered by concept need {FEWEST_CONCEPTS}",
        )
    return None


def _groups(made: CovariateSet) -> list[list[int]]:
    out, at = [], 1
    for c in made.covariates:
        out.append(list(range(at, at + len(c.terms))))
        at += len(c.terms)
    return out


def _half(errors: Errors, i: int, level: float) -> float:
    """Return half the width of the interval of coefficient ``i``; NaN without a standard error."""
    variance = float(errors.covariance[i, i])
    if not variance >= 0:
        return float("nan")
    return float(student.ppf(0.5 + level / 2, errors.df[i])) * math.sqrt(variance)


def _exp(v: float) -> float | None:
    return finite(math.exp(v)) if v < 700 else None


def _terms(
    made: CovariateSet, groups: list[list[int]], fit: CensoredFit, errors: Errors, level: float
) -> tuple[Term, ...]:  # fmt: skip
    out = []
    for c, columns in zip(made.covariates, groups, strict=True):
        for term, i in zip(c.terms, columns, strict=True):
            b, half = float(fit.coefficients[i]), _half(errors, i, level)
            known = math.isfinite(half)
            p = wald_p(fit.coefficients[[i]], errors.covariance[[i]][:, [i]], errors.df[i])
            out.append(
                Term(
                    predictor=c.name, term=term, time_ratio=_exp(b), low=_exp(b - half) if known else None,
                    high=_exp(b + half) if known else None, coefficient=b,
                    se=math.sqrt(errors.covariance[i, i]) if known else None, df=float(errors.df[i]) if known else None,
                    p_value=finite(p), clusters=errors.clusters(c.of),
                )
            )  # fmt: skip
    return tuple(out)


def _predictors(
    made: CovariateSet,
    groups: list[list[int]],
    fit: CensoredFit,
    errors: Errors,
    shares: np.ndarray | None,
    level: float,
) -> tuple[Predictor, ...]:
    p = [
        wald_p(fit.coefficients[g], errors.covariance[np.ix_(g, g)], float(errors.df[g].min())) for g in groups
    ]  # fmt: skip
    # runs are replicates: their level is adjusted for, not tested
    tested = [i for i, v in enumerate(p) if math.isfinite(v) and made.covariates[i].of != "run"]
    adjusted: dict[int, float] = dict(zip(tested, benjamini_yekutieli([p[i] for i in tested]), strict=True))
    out = []
    for i, c in enumerate(made.covariates):
        share = None if shares is None else finite(float(shares[i]))
        variation = "–" if share is None else f"{100 * share:.1f} % of the variation of log tokens"
        if c.of == "run":
            outcome, reason = Outcome.NONE, f"{variation}; allowed for, not tested"
        elif i not in adjusted:
            outcome = Outcome.TOO_FEW_POINTS
            reason = f"{variation}; without one of the languages or concepts nothing determines it: no standard error"
        elif adjusted[i] <= 1 - level:
            outcome, reason = Outcome.FOUND, f"{variation}; adjusted p = {adjusted[i]:.2g}"
        else:
            outcome, reason = Outcome.NONE, f"{variation}, no more than chance gives; adjusted p = {adjusted[i]:.2g}"
        if c.of == "fixed language":
            reason += "; about these very languages"
        out.append(
            Predictor(
                name=c.name, of=c.of, explained=share, p_value=finite(p[i]) if c.of != "run" else None,
                p_adjusted=adjusted.get(i), outcome=outcome, reason=reason,
            )
        )  # fmt: skip
    return tuple(out)


def _judged(r: AcquisitionReport) -> AcquisitionReport:
    half = f"half of the items by {format_count(r.median)} tokens"
    if r.low is not None or r.high is not None:
        half += f" ({format_interval(r.low, r.high)})"
    if r.n_right > r.n_items / 2:
        half += ", beyond what was seen: most items were never acquired"
    acquired = f"{r.n_items - r.n_right} of {plural(r.n_items, 'item')} lastingly acquired, {half}"
    real = [p for p in r.predictors if p.of != "run"]
    if not real:
        return replace(r, outcome=Outcome.NONE, reason=f"{acquired}; no covariate of the cube varies over these items")
    named = sorted((p for p in real if p.outcome == Outcome.FOUND), key=lambda p: -(p.explained or 0))
    total = f"predictors explain {100 * (r.explained or 0):.1f} % of the variation of log tokens"
    if not named:
        return replace(r, outcome=Outcome.NONE, reason=f"{acquired}; {total}, none more than chance gives")
    parts = ", ".join(f"{p.name} {100 * (p.explained or 0):.1f} %" for p in named)
    return replace(r, outcome=Outcome.FOUND, reason=f"{acquired}; {total} ({parts})")


def _ticker(progress: Progress | None, total: int) -> Callable[[str], None]:
    done = 0

    def tick(what: str) -> None:
        nonlocal done
        if progress is not None:
            progress(done, total, what)
        done += 1

    return tick

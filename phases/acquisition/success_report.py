"""What explains success, as a result: from a cube's items to rows and a sentence."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from calque.data.quantities import plural
from calque.phases.acquisition.covariates import design
from calque.phases.acquisition.folds import SuccessData
from calque.phases.acquisition.results import Success, SuccessPart
from calque.phases.acquisition.settings import MOST_PREDICTORS, AcquisitionSettings
from calque.phases.acquisition.success import Explained, success_explained
from calque.phases.acquisition.times import ItemTimes
from calque.phases.generators import generator
from calque.phases.processes import Progress
from calque.phases.results import Outcome, finite

FEWEST_CONCEPTS = 8
FEWEST_LANGUAGES = 4
ORIGINAL = 0.087
"""Explained variation of success in the study that this one follows (Körner et al., arXiv 2604.17633; Shapley R^2)."""


def predictors_of_success(
    cube: xr.Dataset, items: ItemTimes, settings: AcquisitionSettings, progress: Progress | None
) -> Success:  # fmt: skip
    """Return what the properties of items explain of their success.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    items : ItemTimes
        Its items with their acquisition times.
    settings : AcquisitionSettings
        Covariates, level, draws and seed.
    progress : callable, optional
        Called with draws done, draws in all, and what is done.
    """
    made = design(cube, items, settings.covariates, every_level=True)
    kept, real = made.items, [c for c in made.covariates if c.of != "run"]
    y = (~kept.right).astype(float)
    few = {"concepts": (len(np.unique(kept.concept)), FEWEST_CONCEPTS)}
    names = [np.asarray(cube[d].values if d in cube.coords else np.arange(cube.sizes[d])) for d in ("source", "target")]
    number = {str(v): i for i, v in enumerate(dict.fromkeys([*map(str, names[0]), *map(str, names[1])]))}
    source, target = (np.array([number[str(v)] for v in v_of], np.int64) for v_of in names)
    source, target = source[kept.source], target[kept.target]
    few["languages"] = len(np.unique(np.concatenate([source, target]))), FEWEST_LANGUAGES
    rate = float(y.mean()) if len(y) else None
    for what, (n, needed) in few.items():
        if n < needed:
            reason = f"{n} {what}; leaving out {what} needs {needed}"
            return Success(outcome=Outcome.TOO_FEW_POINTS, reason=reason, n_items=len(y), rate=rate)
    if len(real) > MOST_PREDICTORS:
        reason = f"{len(real)} covariates vary over these items; choose at most {MOST_PREDICTORS} with `covariates`"
        return Success(outcome=Outcome.TOO_FEW_POINTS, reason=reason, n_items=len(y), rate=rate)
    if not real:
        reason = "no covariate of the cube varies over these items"
        return Success(outcome=Outcome.NONE, reason=reason, n_items=len(y), rate=rate)
    if y.min() == y.max():
        reason = f"{'all' if y[0] else 'none'} of {plural(len(y), 'item')} succeeded: there is no variation to explain"
        return Success(outcome=Outcome.NONE, reason=reason, n_items=len(y), rate=rate)
    runs = [c.columns for c in made.covariates if c.of == "run"]
    columns = [c.columns for c in real]
    ends = np.cumsum([0, *(c.shape[1] for c in columns)])
    data = SuccessData(
        y, np.column_stack([np.ones(len(y)), *runs]), np.column_stack(columns),
        [list(range(a, b)) for a, b in zip(ends[:-1], ends[1:], strict=True)], kept.concept, source, target,
    )  # fmt: skip
    done = 0

    def tick(what: str) -> None:
        nonlocal done
        if progress is not None:
            progress(done, settings.boot, what)
        done += 1

    rng = generator(settings.seed, "success", settings.metric)
    found = success_explained(data, settings.boot, settings.level, rng, tick)
    parts = _parts([c.name for c in real], found["all"], found["both"])
    outcome, reason = _judged(parts, settings.level)
    return Success(
        outcome=outcome, reason=reason, n_items=len(y), rate=rate, parts=parts,
        new_concepts=finite(found["concepts"].total), new_languages=finite(found["languages"].total),
    )  # fmt: skip


def _parts(names: list[str], here: Explained, new: Explained) -> tuple[SuccessPart, ...]:
    total = SuccessPart(
        name="total", explained=here.total, low=finite(here.low), high=finite(here.high), cross_validated=new.total,
        cv_low=finite(new.low), cv_high=finite(new.high),
    )  # fmt: skip
    each = [
        SuccessPart(
            name=name, explained=float(here.parts[i]), low=finite(here.part_low[i]), high=finite(here.part_high[i]),
            cross_validated=float(new.parts[i]), cv_low=finite(new.part_low[i]), cv_high=finite(new.part_high[i]),
        )
        for i, name in enumerate(names)
    ]  # fmt: skip
    return (total, *each)


def share_words(value: float, low: float | None, high: float | None) -> str:
    """Return a share with its interval in percent, such as ``8.7 % (3.1 to 14.2)``.

    Parameters
    ----------
    value : float
        The share.
    low, high : float or None
        Ends of the interval.
    """
    ends = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    return f"{100 * value:.1f} %{ends}"


def _judged(parts: tuple[SuccessPart, ...], level: float) -> tuple[Outcome, str]:
    total = parts[0]
    here = share_words(total.explained, total.low, total.high)
    new = share_words(total.cross_validated, total.cv_low, total.cv_high)
    reason = (
        f"predictors explain {here} of the variation of success in these items, and {new} for other concepts and "
        f"other languages; the original study reports {100 * ORIGINAL:.1f} % in-sample, of its own items and predictors"
    )
    carries = total.cv_low is not None and math.isfinite(total.cv_low) and total.cv_low > 0
    return Outcome.FOUND if carries else Outcome.NOT_ESTABLISHED, reason

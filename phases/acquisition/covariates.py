"""Covariates of items: the cube's variables over source, target and concept, and those over language for both ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.cube import EXPOSURES, OVERLAPS
from calque.data.errors import UserError, nearest
from calque.data.quantities import plural
from calque.phases.acquisition.times import ItemTimes, Mask
from calque.phases.stats.jackknife import Array

ITEM = ("source", "target", "concept")
FLAGS = {"overlap": OVERLAPS, "exposure": EXPOSURES}
MOST_LEVELS = 12
"""A category with more levels is an identifier of items, not a covariate."""
LOG_RANGE = 20.0
"""Positive numbers that span more than this factor enter by their logarithm; shares always do."""
Values = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Covariate:
    """A predictor: its columns (items, terms) in the design matrix, and the unit of each as ``terms``.

    ``of`` is the level at which it varies: ``language`` when it depends on source or target alone, ``fixed language``
    for one term a language, ``concept``, ``item`` or ``run``. ``spread`` is the standard deviation by which a number
    was divided.
    """

    name: str
    columns: Array
    terms: tuple[str, ...]
    of: str
    spread: float | None = None


@dataclass(frozen=True, eq=False)
class CovariateSet:
    """Covariates of the items that are kept, and what was left out with the reason."""

    items: ItemTimes
    covariates: tuple[Covariate, ...]
    left_out: dict[str, str]
    n_missing: int
    n_set_aside: int


def names_of(cube: xr.Dataset) -> dict[str, tuple[str, str]]:
    """Return the covariates of ``cube``: name -> (variable, end), with end source or target for those of a language."""
    out: dict[str, tuple[str, str]] = {}
    for key in cube.variables:
        name, dims = str(key), set(map(str, cube[key].dims))
        if name in cube.dims or "checkpoint" in dims or name.startswith("checkpoint"):
            continue
        if dims & set(ITEM) and dims <= {"run", *ITEM}:
            out[name] = (name, "")
        elif "language" in dims and dims <= {"run", "language", "concept"}:
            out |= {f"{end}_{name}": (name, end) for end in ("source", "target")}
    return out


def design(
    cube: xr.Dataset, items: ItemTimes, wanted: Sequence[str] | None, every_level: bool = False
) -> CovariateSet:  # fmt: skip
    """Return the covariates of items, and the items that have them.

    With several runs, the run is always a covariate.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    items : ItemTimes
        Items with their acquisition times.
    wanted : sequence of str, optional
        Names of covariates; ``source`` and ``target`` give each language its own level. All that vary over the items
        when None.
    every_level : bool
        Keep levels of which no item, or every item, was acquired: they say nothing about times, but about success.

    Raises
    ------
    UserError
        For a name that is no covariate of the cube.
    """
    known = names_of(cube)
    chosen = tuple(known) if wanted is None else tuple(dict.fromkeys(wanted))
    for name in chosen:
        if name not in known and name not in ("source", "target", "run"):
            every = (*known, "source", "target")
            raise UserError(
                f"`covariates` has '{name}'; the cube has no such property of items, but {', '.join(every)}"
                + nearest(name, every)
            )
    values: dict[str, tuple[Values, str]] = {}
    left_out: dict[str, str] = {}
    for name in chosen:
        if name in known:
            values[name] = _values(cube, items, *known[name])
        else:
            values[name] = _labels(cube, name)[getattr(items, name)], "run" if name == "run" else "fixed language"
    if cube.sizes["run"] > 1:
        values.setdefault("run", (_labels(cube, "run")[items.run], "run"))
    for name in list(values):
        why = _useless(*values[name])
        if why:
            left_out[name] = why
            del values[name]
    present = np.ones(len(items), bool)
    for v, _ in values.values():
        present &= ~_missing(v)
    n_missing = int((~present).sum())
    keep = present
    if not every_level:
        keep = present & _informative(items, {k: v for k, (v, _) in values.items()}, present, left_out)
    kept = items.where(keep)
    covariates: list[Covariate] = []
    base = np.ones((len(kept), 1))
    # runs, a nuisance, first: a covariate that differs between runs alone is then the one left out as determined
    for name in sorted(values, key=lambda n: n != "run"):
        v, of = values[name]
        one = _covariate(name, v[keep], of)
        if one is None:
            left_out.setdefault(name, "is the same for all items that are left")
            continue
        new = []
        for i, term in enumerate(one.terms):
            more = np.column_stack([base, one.columns[:, i]])
            if np.linalg.matrix_rank(more.T @ more / len(kept), tol=1e-9) == more.shape[1]:
                base = more
                new.append(i)
            else:
                key = name if len(one.terms) == 1 else f"{name} ({term})"
                left_out[key] = "is determined by the other covariates"
        if new:
            covariates.append(replace(one, columns=one.columns[:, new], terms=tuple(one.terms[i] for i in new)))
    return CovariateSet(kept, tuple(covariates), left_out, n_missing, int(present.sum() - keep.sum()))


def _labels(cube: xr.Dataset, dim: str) -> Values:
    return np.asarray(cube[dim].values if dim in cube.coords else np.arange(cube.sizes[dim])).astype(str)


def _values(cube: xr.Dataset, items: ItemTimes, name: str, end: str) -> tuple[Values, str]:
    """Return a variable's value for each item, and the level at which it varies, see ``Covariate.of``."""
    variable = cube[name]
    dims = [str(d) for d in variable.dims]
    index = {"run": items.run, "source": items.source, "target": items.target, "concept": items.concept}
    if end:
        position = {label: i for i, label in enumerate(_labels(cube, "language"))}
        ours = np.array([position.get(label, -1) for label in _labels(cube, end)])[index[end]]
        index["language"] = np.maximum(ours, 0)
    v = np.asarray(variable.values)[tuple(index[d] for d in dims)]
    if end and np.any(ours < 0):
        v = np.where(ours < 0, "" if v.dtype.kind in "UO" else np.nan, v)
    if "flag_meanings" in variable.attrs or name in FLAGS:
        v = _flag_words(variable, v)
    elif v.dtype.kind == "b":
        v = np.where(v, "yes", "no")
    elif v.dtype.kind in "OSUT":
        v = v.astype(str)
    else:
        v = v.astype(float)
    inner = set(dims) - {"run"}
    of = "language" if inner <= {"language"} or inner in ({"source"}, {"target"}) else "item"
    return v, "concept" if inner == {"concept"} else of


def _flag_words(variable: xr.DataArray, v: Values) -> Values:
    name = str(variable.name)
    if "flag_meanings" in variable.attrs and "flag_values" in variable.attrs:
        words = str(variable.attrs["flag_meanings"]).split()
        numbers = np.atleast_1d(variable.attrs["flag_values"])
    else:
        words = ["unknown", *FLAGS[name]]
        numbers = np.arange(-1, len(words) - 1)
    out = np.full(v.shape, "", dtype="U64")
    for number, word in zip(numbers, words, strict=False):
        out[v == number] = word
    return out


def _missing(v: Values) -> Mask:
    return ~np.isfinite(v) if v.dtype.kind == "f" else np.isin(v, ("", "nan", "None"))


def _useless(v: Values, of: str) -> str:
    """Return why a variable cannot be a covariate; empty when it can."""
    there = v[~_missing(v)]
    if not len(there):
        return "has no value for any of these items"
    levels = len(np.unique(there))
    if levels < 2:
        return f"is {there[0] if v.dtype.kind != 'f' else format(there[0], '.4g')} for all of these items"
    if of not in ("run", "fixed language") and v.dtype.kind != "f" and levels > MOST_LEVELS:
        return f"has {levels} levels, more than {MOST_LEVELS}"
    return ""


def _informative(items: ItemTimes, values: dict[str, Values], keep: Mask, left_out: dict[str, str]) -> Mask:
    """Set aside levels of which no item, or every item from the first checkpoint on, was acquired.

    Their coefficient is infinite, and in that limit they carry no information about the others: without their items
    the maximum likelihood of the rest is exactly the same.
    """
    keep = keep.copy()
    changed = True
    while changed:
        changed = False
        for name, v in values.items():
            if v.dtype.kind == "f":
                continue
            for level in np.unique(v[keep]):
                mine = keep & (v == level)
                for state, why in ((items.right, "never acquired"), (items.left, "there from the first checkpoint")):
                    if state[mine].all() and mine.sum() < keep.sum():
                        left_out[f"{name}={level}"] = f"all {plural(int(mine.sum()), 'item')} {why}; set aside"
                        keep &= ~mine
                        changed = True
                        break
    return keep


def _covariate(name: str, v: Values, of: str) -> Covariate | None:
    if v.dtype.kind == "f":
        label = name
        if len(v) and v.min() > 0 and (v.max() / v.min() > LOG_RANGE or name.endswith("share")):
            v, label = np.log(v), f"log {name}"
        spread = float(v.std()) if len(v) else 0.0
        if spread <= 1e-12:
            return None
        return Covariate(name, ((v - v.mean()) / spread)[:, None], (f"{label}, one sd ({spread:.3g})",), of, spread)
    levels, counts = np.unique(v, return_counts=True)
    if len(levels) < 2:
        return None
    reference = levels[counts.argmax()]
    others = [level for level in levels if level != reference]
    columns = np.column_stack([(v == level).astype(float) for level in others])
    return Covariate(name, columns, tuple(f"{level} against {reference}" for level in others), of)

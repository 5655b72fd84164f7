"""Which runs of a cube make one ladder of sizes: the same mix and corpus, sizes and seeds apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from calque.data.errors import UserError, nearest
from calque.data.quantities import parse_count

KEPT_EQUAL = ("corpus", "mix")


def select(cube: xr.Dataset, where: Sequence[str] = ()) -> tuple[xr.Dataset, str | None]:
    """Return the runs of one ladder, and a sentence when others were left out.

    Parameters
    ----------
    cube : xarray.Dataset
        With dimension ``run``.
    where : sequence of str
        ``COORDINATE=VALUE``; only runs that match all of them are kept. Where the rest still holds several
        mixes or corpora, the one with most sizes (then most runs) is taken: a law in size alone cannot pool
        them.

    Raises
    ------
    UserError
        When a condition is malformed, names no run coordinate or leaves no run.
    """
    known = [str(name) for name, value in cube.coords.items() if value.dims == ("run",)]
    for condition in where:
        name, equals, value = (part.strip() for part in condition.partition("="))
        if not equals or not value:
            raise UserError(f"--where {condition!r} is no condition; expected COORDINATE=VALUE such as mix=uniform")
        if name not in known:
            raise UserError(
                f"--where {condition!r}: the cube has no run coordinate '{name}'; expected one of "
                f"{', '.join(known)}" + nearest(name, known)
            )
        values = [str(v) for v in cube[name].values]
        keep = np.array([v == value for v in values])
        if not keep.any():
            there = sorted(set(values))
            raise UserError(
                f"--where {condition!r}: no run has that {name}; expected one of {', '.join(there)}"
                + nearest(value, there)
            )
        cube = cube.isel(run=keep)
    by = [name for name in KEPT_EQUAL if name in known]
    labels = list(zip(*(map(str, cube[name].values) for name in by), strict=True)) if by else []
    strata = list(dict.fromkeys(labels))
    if len(strata) < 2:
        return cube, None
    sizes = np.asarray(cube["n_params_non_embedding"].values if "n_params_non_embedding" in cube.coords else labels)
    members = {s: np.array([label == s for label in labels]) for s in strata}
    best = max(strata, key=lambda s: (len(set(sizes[members[s]].tolist())), int(members[s].sum())))
    told = ", ".join(f"{name} {value}" for name, value in zip(by, best, strict=True))
    left = int((~members[best]).sum())
    return cube.isel(run=members[best]), (
        f"Only the {int(members[best].sum())} runs of {told} are used, {left} other{'s are' if left != 1 else ' is'} "
        "not: "
        "a law in size cannot pool mixes or corpora (choose with --where)."
    )


def with_sizes(cube: xr.Dataset, given: Sequence[str]) -> xr.Dataset:
    """Return the cube with non-embedding parameters of runs as ``RUN=COUNT`` states them; others keep theirs.

    Raises
    ------
    UserError
        When one is malformed or names no run.
    """
    if not given:
        return cube
    runs = [str(name) for name in cube["run"].values]
    there = "n_params_non_embedding" in cube.variables
    values = np.array(cube["n_params_non_embedding"].values if there else np.full(len(runs), np.nan), float)
    for pair in given:
        run, equals, text = pair.rpartition("=")
        if not equals or not text.strip():
            raise UserError(f"--params {pair!r} is no size; expected RUN=COUNT such as pythia-70m=18915328")
        if run not in runs:
            raise UserError(f"--params {pair!r}: the cube has no run '{run}'{nearest(run, runs)}")
        try:
            count = float(parse_count(text))
        except ValueError as error:
            raise UserError(f"--params {pair!r}: {error}") from None
        if not count > 0:
            raise UserError(f"--params {pair!r}: expected a count above 0")
        values[runs.index(run)] = count
    return cube.assign_coords(n_params_non_embedding=("run", values))

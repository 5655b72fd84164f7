"""Selecting the runs of one ladder of sizes: one mix and one corpus, several sizes and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from calque.data.errors import UserError, nearest
from calque.data.quantities import parse_count, plural
from calque.scaling.run_values import SIZE, run_labels, run_sizes

KEPT_EQUAL = ("corpus", "mix")


def select(cube: xr.Dataset, where: Sequence[str] = ()) -> tuple[xr.Dataset, str | None]:
    """Return the runs of one ladder, and a sentence when others were left out.

    A law in size alone cannot pool mixes or corpora. Where the cube holds several, the one with most known sizes is
    taken, then the one with most runs.

    Parameters
    ----------
    cube : xarray.Dataset
        With dimension ``run``.
    where : sequence of str
        ``COORDINATE=VALUE``; only runs that match all of them are kept.

    Returns
    -------
    cube : xarray.Dataset
        The runs kept, in their order.
    note : str or None
        How many runs were left out and why; None when none was.

    Raises
    ------
    UserError
        When a condition is malformed, names no run coordinate or leaves no run.
    """
    for condition in where:
        cube = cube.isel(run=_matching(cube, condition))
    by = {name: labels for name in KEPT_EQUAL if (labels := run_labels(cube, name)) is not None}
    keys = list(zip(*by.values(), strict=True))
    groups = list(dict.fromkeys(keys))
    if len(groups) < 2:
        return cube, None
    sizes = run_sizes(cube)
    members = {group: np.array([key == group for key in keys]) for group in groups}

    def sizes_and_runs(group: tuple[str, ...]) -> tuple[int, int]:
        inside = members[group]
        known = sizes[inside & np.isfinite(sizes)] if sizes is not None else np.empty(0)
        return np.unique(known).size, int(inside.sum())

    best = max(groups, key=sizes_and_runs)
    name = ", ".join(f"{coordinate} {value}" for coordinate, value in zip(by, best, strict=True))
    kept, left = int(members[best].sum()), int((~members[best]).sum())
    note = (
        f"Only the {plural(kept, 'run')} of {name} {'is' if kept == 1 else 'are'} used, "
        f"{plural(left, 'other is', 'others are')} not: a law in size cannot pool mixes or corpora (`where` chooses "
        "others, as in mix=uniform)."
    )
    return cube.isel(run=members[best]), note


def _matching(cube: xr.Dataset, condition: str) -> list[int]:
    """Return the positions of the runs that match ``COORDINATE=VALUE``."""
    name, equals, value = (part.strip() for part in condition.partition("="))
    if not equals or not value:
        raise UserError(f"`where` {condition!r} is no condition; expected COORDINATE=VALUE such as mix=uniform")
    known = [str(key) for key, variable in cube.variables.items() if variable.dims == ("run",)]
    labels = run_labels(cube, name) if name in (*known, *KEPT_EQUAL) else None
    if labels is None:
        raise UserError(
            f"`where` {condition!r}: the cube has no run coordinate '{name}'; expected one of {', '.join(known)}"
            + nearest(name, known)
        )
    keep = [i for i, label in enumerate(labels) if label == value]
    if not keep:
        present = sorted(set(labels))
        raise UserError(
            f"`where` {condition!r}: no run has that {name}; expected one of {', '.join(present)}"
            + nearest(value, present)
        )
    return keep


def with_sizes(cube: xr.Dataset, params: Sequence[str]) -> xr.Dataset:
    """Return the cube with the non-embedding parameters that ``params`` states; other runs keep theirs.

    Parameters
    ----------
    cube : xarray.Dataset
        With dimension ``run``.
    params : sequence of str
        ``RUN=COUNT``, for example ``pythia-70m=18915328``.

    Raises
    ------
    UserError
        When one is malformed or names no run.
    """
    if not params:
        return cube
    runs = [str(name) for name in cube["run"].values]
    known = run_sizes(cube)
    values = np.full(len(runs), np.nan) if known is None else known
    for pair in params:
        run, equals, text = pair.rpartition("=")
        if not equals or not text.strip():
            raise UserError(f"`params` {pair!r} is no size; expected RUN=COUNT such as pythia-70m=18915328")
        if run not in runs:
            raise UserError(f"`params` {pair!r}: the cube has no run '{run}'{nearest(run, runs)}")
        try:
            count = float(parse_count(text))
        except ValueError as error:
            raise UserError(f"`params` {pair!r}: {error}") from None
        if not count > 0:
            raise UserError(f"`params` {pair!r}: expected a count above 0")
        values[runs.index(run)] = count
    return cube.assign_coords({SIZE: ("run", values)})

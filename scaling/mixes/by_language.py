"""One transition time a run and language translated into, with the language's share and its overlap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import xarray as xr

from calque.data.cube import OVERLAPS
from calque.data.errors import UserError
from calque.data.quantities import format_count
from calque.scaling.observations import Found, Observation, observation

PREFIX = "target="


def observe_languages(cube: xr.Dataset, transitions: Iterable[Found], metric: str) -> tuple[Observation, ...]:
    """Return an observation for every run and target language that ``phases detect --by target`` reported.

    Share: the run's ``share`` of the language. Overlap: share of words, over all other source languages, that are
    identical or have a token in common; None where the cube does not say.

    Raises
    ------
    UserError
        When the cube lacks sizes or no language of a run has a takeoff of this metric.
    """
    if "n_params_non_embedding" not in cube.variables:
        raise UserError("the cube has no run coordinate 'n_params_non_embedding'; expected non-embedding parameters")
    names = [str(name) for name in cube["run"].values]
    overlap = _overlap(cube)
    result = []
    for row in transitions:
        group = str(getattr(row, "group", ""))
        if (
            row.metric != metric
            or row.estimand != "takeoff"
            or not group.startswith(PREFIX)
            or str(row.run) not in names
        ):
            continue
        i, language = names.index(str(row.run)), group.removeprefix(PREFIX)
        n = float(cube["n_params_non_embedding"].values[i])
        size = str(cube["size"].values[i]) if "size" in cube.variables else format_count(n)
        last = float(np.nanmax(np.asarray(cube["tokens"].isel(run=i), float)))
        found = observation(names[i], size, n, row, last)
        result.append(
            replace(
                found, language=language, share=_share(cube, i, language), overlap=overlap.get((i, language)),
                mix=str(cube["mix"].values[i]) if "mix" in cube.variables else "",
            )
        )  # fmt: skip
    if not result:
        raise UserError(f"no run has a takeoff of '{metric}' by target language; expected a cube with item outcomes")
    return tuple(result)


def _share(cube: xr.Dataset, run: int, language: str) -> float | None:
    if "share" not in cube.variables or language not in cube["language"].values:
        return None
    value = float(cube["share"].isel(run=run).sel(language=language))
    return value if np.isfinite(value) and value > 0 else None


def _overlap(cube: xr.Dataset) -> dict[tuple[int, str], float]:
    if "overlap" not in cube.variables or "target" not in cube.coords:
        return {}
    kinds = cube["overlap"]
    if "run" not in kinds.dims:
        kinds = kinds.expand_dims(run=cube["run"].values)
    kinds = kinds.transpose("run", "source", "target", "concept")
    common = np.asarray(kinds) > OVERLAPS.index("none")
    known = np.asarray(kinds) >= 0
    sources, targets = (np.asarray(cube[d].values, str) for d in ("source", "target"))
    known &= (sources[:, None] != targets)[None, ..., None]
    asked = known.sum((1, 3))
    shared = (common & known).sum((1, 3))
    return {
        (i, str(t)): float(shared[i, j] / asked[i, j])
        for i in range(asked.shape[0])
        for j, t in enumerate(targets)
        if asked[i, j]
    }

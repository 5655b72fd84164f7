"""One transition time a run and language translated into, with the language's share and its overlap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import xarray as xr

from calque.data.cube import OVERLAPS
from calque.data.errors import UserError
from calque.phases.likelihood import TakeoffLikelihood
from calque.phases.results import Transition
from calque.scaling.observations import CubeRuns, Observation

PREFIX = "target="


def observe_languages(
    cube: xr.Dataset, transitions: Iterable[Transition], metric: str, likelihoods: Iterable[TakeoffLikelihood] = ()
) -> tuple[Observation, ...]:  # fmt: skip
    """Return an observation for every run and target language that ``phases detect --by target`` reported.

    Share: the run's ``share`` of the language. Overlap: share of words, over all other source languages, that are
    identical or have a token in common; None where the cube does not say.

    Parameters
    ----------
    cube : xarray.Dataset
        Validated.
    transitions : iterable of Transition
        By run and target language.
    metric : str
        Whose takeoff.
    likelihoods : iterable of TakeoffLikelihood
        Of the takeoffs, by run and language; one without counts by its interval.

    Raises
    ------
    UserError
        When the cube lacks sizes or no language of a run has a takeoff of this metric.
    """
    runs, overlap, result = CubeRuns.of(cube), _overlap(cube), []
    known = {(one.run, one.group): one for one in likelihoods if one.metric == metric}
    for row in transitions:
        if row.metric != metric or row.estimand != "takeoff" or not row.group.startswith(PREFIX):
            continue
        if str(row.run) not in runs.names:
            continue
        i, language = runs.names.index(str(row.run)), row.group.removeprefix(PREFIX)
        share = _share(cube, i, language)
        found = runs.observation(i, row)
        likelihood = known.get((str(row.run), row.group)) if found.kind != "unused" else None
        result.append(
            replace(
                found, language=language, share=share, overlap=overlap.get((i, language)), likelihood=likelihood
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

"""Conditions of a study: what the runs that differ in their seeds alone have in common."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from calque.data.quantities import format_count

SEEDS = ("seed", "init_seed", "data_seed")
"""Coordinates of runs that tell their seeds: as imported, or as trained here."""


@dataclass(frozen=True)
class Condition:
    """A run with its size, corpus and mix, None where the cube has no such coordinate."""

    run: str
    size: str | None
    corpus: str | None
    mix: str | None

    @classmethod
    def of(cls, cube: xr.Dataset, run: str) -> Condition:
        """Read the condition of ``run`` from the coordinates of ``cube``."""
        one = cube.sel(run=run)
        size, corpus, mix = (
            str(one[n].item()) if n in one.variables else None for n in ("size", "corpus", "mix")
        )  # fmt: skip
        for name in ("n_params_non_embedding", "n_params"):
            if size is None and name in one.variables and np.isfinite(float(one[name])):
                size = format_count(float(one[name]))
        return cls(run, size, corpus, mix)

    @property
    def cell(self) -> tuple[str | None, str | None, str | None]:
        """Size, corpus and mix: runs that share them differ in their seeds alone."""
        return self.size, self.corpus, self.mix


def replicated(cube: xr.Dataset) -> list[tuple[str, ...]]:
    """Return the runs of each condition that has several seeds; none where the cube does not know its seeds.

    Runs whose configurations differ in more than seeds are no replicates of each other, although size, corpus and mix
    are the same.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    """
    known = [cube[name].values for name in SEEDS if name in cube.variables and cube[name].dims == ("run",)]
    if not known:
        return []
    runs = [str(run) for run in cube["run"].values]
    made = cube["config_json"].values if "config_json" in cube.variables else [""] * len(runs)
    seeds: dict[tuple[object, ...], dict[str, tuple[str, ...]]] = defaultdict(dict)
    for i, (run, text) in enumerate(zip(runs, made, strict=True)):
        own = tuple(str(values[i]) for values in known)
        seeds[(*Condition.of(cube, run).cell, _without_seeds(str(text)))][run] = own
    return [tuple(of) for of in seeds.values() if len(of) > 1 and len(_known(of.values())) == len(of)]


def _known(seeds: Iterable[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Return the different ones of these seeds that are known."""
    return {own for own in seeds if not {"nan", ""} & set(own)}


def _without_seeds(text: str) -> str:
    """Return a configuration without its name and seeds, as JSON."""

    def rest(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: rest(one) for key, one in value.items() if not key.endswith("seed")}

    try:
        made = json.loads(text)
    except ValueError:
        return text
    return json.dumps(rest({**made, "name": ""} if isinstance(made, dict) else made), sort_keys=True)

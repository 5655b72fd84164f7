"""Swaps and scalings as variables of a cube's group: a host's row, and what the rows of all hosts give together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.models.ablations.scaling import scaling_table
from calque.models.ablations.settings import AblationSettings
from calque.models.ablations.swaps import grid_table
from calque.models.ablations.weights import components, of_blocks
from calque.models.ablations.word_scores import MEASURES
from calque.models.reading.parts import ModelParts

Array = NDArray[np.float64]
REST = "rest"
"""Name of the range of all parameters outside blocks."""


def swap_ranges(parts: ModelParts, settings: AblationSettings) -> dict[str, tuple[str, ...]]:
    """Return the names of parameters by the range that is swapped.

    Parameters
    ----------
    parts : ModelParts
    settings : AblationSettings
    """
    ranges = settings.blocks(len(parts.blocks))
    found = {name: of_blocks(parts, list(blocks)) for name, blocks in ranges.items()}
    held = components(parts)
    found[REST] = tuple(name for part, names in held.items() if not part.startswith("block.") for name in names)
    return found


def swap_row(scores: Array, donors: Sequence[str], ranges: Sequence[str], concepts: Sequence[str]) -> xr.Dataset:
    """Return the row of a host.

    Parameters
    ----------
    scores : array, shape (donors, ranges, measures, concepts)
        From :func:`~calque.models.ablations.swaps.of_host`.
    donors, ranges, concepts : sequence of str
        Labels.
    """
    dims = ("donor", "range", "measure")
    coords = {"donor": list(donors), "range": list(ranges), "measure": list(MEASURES), "concept": list(concepts)}
    found = xr.Dataset({"swaps_by_concept": ((*dims, "concept"), scores.astype(np.float32))}, coords)
    found["swaps"] = found["swaps_by_concept"].mean("concept")
    found["swaps"].attrs = {"long_name": "mean score of the checkpoint with a donor's blocks"}
    found["swaps_by_concept"].attrs = {"long_name": "score of the checkpoint with a donor's blocks, by concept"}
    return found


def scaling_row(
    scores: Array, names: Sequence[str], factors: Sequence[float], concepts: Sequence[str], level: float
) -> xr.Dataset:
    """Return the row of a checkpoint whose components are scaled.

    Parameters
    ----------
    scores : array, shape (components, factors, measures, concepts)
        The last factor is 1.
    names : sequence of str
        Of components.
    factors : sequence of float
    concepts : sequence of str
    level : float
        Of the intervals.
    """
    coords = {"component": list(names), "factor": list(factors), "measure": list(MEASURES), "concept": list(concepts)}
    table = scaling_table(scores, level).drop_attrs()
    renamed = {"score": "scaling", "change": "scaling_change", "change_low": "scaling_change_low",
               "change_high": "scaling_change_high"}  # fmt: skip
    found = table.rename(renamed).assign({
        "scaling_by_concept": (("component", "factor", "measure", "concept"), scores.astype(np.float32))
    }).assign_coords(coords)  # fmt: skip
    found["scaling"].attrs = {"long_name": "mean score with a component's update since the first checkpoint scaled"}
    found["scaling_change"].attrs = {"long_name": "the same minus the score of the whole model"}
    return found


def allocation_row(tables: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Return the row of a checkpoint: what made its losses change since the one before it.

    Parameters
    ----------
    tables : mapping of str to xarray.Dataset
        From :func:`~calque.models.ablations.allocation.allocation`, by the kind of loss.
    """
    kept = {"allocation": "allocation", "allocation_low": "allocation_low", "allocation_high": "allocation_high",
            "whole": "allocation_whole", "gap": "allocation_gap", "points": "allocation_points"}  # fmt: skip
    parts = [table[list(kept)].rename({k: v for k, v in kept.items() if k != v}) for table in tables.values()]
    found = xr.concat(parts, "loss").assign_coords(loss=list(tables)).drop_attrs().transpose("component", "loss")
    found["allocation_points"] = found["allocation_points"].astype(float)
    found["allocation"].attrs = {
        "long_name": "part of a component in the change of the loss since the checkpoint before", "units": "nat",
    }  # fmt: skip
    return found


def with_interactions(group: xr.Dataset, names: Sequence[str], level: float) -> xr.Dataset:
    """Return a group of one run with the interactions of all swaps that have their counterpart.

    Parameters
    ----------
    group : xarray.Dataset
        ``swaps_by_concept`` over (run, checkpoint, donor, range, measure, concept); a checkpoint is the host.
    names : sequence of str
        Of the checkpoints; donors are some of them.
    level : float
        Of the intervals.
    """
    if "swaps_by_concept" not in group:
        return group
    scores, donors = group["swaps_by_concept"], [str(name) for name in group["donor"].values]
    places = [list(names).index(donor) if donor in names else None for donor in donors]
    known = [(d, place) for d, place in enumerate(places) if place is not None]
    at = [d for d, _ in known]
    by_host = scores.isel(run=0).transpose("checkpoint", "donor", "range", "measure", "concept").values.astype(float)
    grid = np.stack([by_host[place][at] for _, place in known], 1)
    table = grid_table(grid, level)
    dims = ("run", "checkpoint", "donor", "range", "measure")
    shape = [group.sizes[dim] for dim in dims]
    for name in ("interaction", "interaction_low", "interaction_high"):
        full = np.full(shape, np.nan)
        for i, (_, place) in enumerate(known):
            full[0, place, at] = table[name].values[:, i]
        about = {} if name != "interaction" else {
            "long_name": "hybrid and its counterpart minus host and donor: 0 where they add up"
        }  # fmt: skip
        group = group.assign({f"swaps_{name}": (dims, full, about)})
    return group

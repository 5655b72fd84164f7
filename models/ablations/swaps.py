"""Scores of hybrid models: blocks of one checkpoint in another.

A hybrid is a host with some parameters of a donor. Interaction: the hybrid and its counterpart, the donor with the
host's parameters, minus host and donor; 0 where the parameters and the rest add up. Formula: S(h, d) + S(d, h) - S(h)
- S(d), in the unit of the score; interval: Student's over items. Source: layer swaps between checkpoints, Koerner et
al. 2026 (arXiv 2604.17633). A hybrid may fail because two checkpoints write the same thing in other directions: a swap
that breaks a score does not show that the block's mechanism was not there. Cost: one scoring for each hybrid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import nn

from calque.data.errors import UserError
from calque.models.ablations.intervals import mean_interval
from calque.models.ablations.weights import State, taken, weights_replaced

Score = Callable[[], ArrayLike]
"""Scores the model as it then is: a number for each item, the same items every time, shape (items) or (measures,
items)."""
Array = NDArray[np.float64]
Keep = Callable[[Array], None]
"""Called with all scores so far, NaN where there is none yet."""


def scored_with(model: nn.Module, values: State, score: Score) -> Array:
    """Return the scores of a model with other values of some parameters, shape (items); it is restored after.

    Parameters
    ----------
    model : nn.Module
    values : mapping of str to Tensor
    score : callable
    """
    with weights_replaced(model, values):
        return np.asarray(score(), float)


def of_host(
    model: nn.Module, host: str, states: Mapping[str, State], ranges: Mapping[str, Sequence[str]], score: Score, *,
    known: Array | None = None, keep: Keep | None = None,
) -> Array:  # fmt: skip
    """Return the scores of one host with the blocks of each donor, shape (donors, ranges, ..., items).

    Where the donor is the host itself, they are the host's own.

    Parameters
    ----------
    model : nn.Module
        Of their shape; its own weights do not matter, and are restored.
    host : str
        One of ``states``.
    states : mapping of str to State
        All weights of each checkpoint; they may be read when they are asked for.
    ranges : mapping of str to sequence of str
        Names of parameters by what they are called.
    score : callable
    known : array, optional
        What an interrupted call had; cells without any number are computed.
    keep : callable, optional
        Called after every hybrid.
    """
    with weights_replaced(model, states[host]):
        found = None if known is None else known.copy()
        whole = None
        for d, donor in enumerate(states):
            todo = [r for r in range(len(ranges)) if found is None or np.isnan(found[d, r]).all()]
            if not todo:
                continue
            if donor == host or found is None:
                whole = np.asarray(score(), float) if whole is None else whole
                found = np.full((len(states), len(ranges), *whole.shape), np.nan) if found is None else found
            if donor == host:
                found[d, todo] = whole
                continue
            given = states[donor]
            for r in todo:
                found[d, r] = scored_with(model, taken(given, list(ranges.values())[r]), score)
                if keep is not None:
                    keep(found)
    assert found is not None, "there are checkpoints"
    return found


def swap_grid(
    model: nn.Module, states: Mapping[str, State], ranges: Mapping[str, Sequence[str]], score: Score, *,
    level: float = 0.95,
) -> xr.Dataset:  # fmt: skip
    """Return the scores of all hybrids of checkpoints.

    Parameters
    ----------
    model : nn.Module
        Of their shape; its own weights do not matter, and are restored.
    states : mapping of str to State
        All weights of each checkpoint; two at least.
    ranges : mapping of str to sequence of str
        Names of parameters by what they are called, such as ``blocks 2-3`` (``weights.of_blocks``).
    score : callable
    level : float
        Of the intervals, over items; two items at least.

    Returns
    -------
    xarray.Dataset
        ``parent`` over (checkpoint); over (donor, host, range) ``hybrid`` and ``interaction``, with
        ``interaction_low`` and ``interaction_high``; each over (measure) too where the score has several.

    Raises
    ------
    UserError
        When there are less than two checkpoints or items, or no range.
    """
    names, blocks = list(states), list(ranges)
    if len(names) < 2 or not blocks:
        raise UserError(f"`states` has {len(names)} and `ranges` {len(blocks)}; expected two and one at least")
    hybrids = np.stack([of_host(model, host, states, ranges, score) for host in names], 1)
    if not 4 <= hybrids.ndim <= 5 or hybrids.shape[-1] < 2:
        raise UserError(f"`score` gives {hybrids.shape[3:]} numbers; expected one for each of two items or more")
    return grid_table(hybrids, level).assign_coords(checkpoint=names, donor=names, host=names, range=blocks)


def grid_table(hybrids: Array, level: float) -> xr.Dataset:
    """Return means and interactions of the hybrids of a grid.

    Parameters
    ----------
    hybrids : array, shape (donors, hosts, ranges, items) or (donors, hosts, ranges, measures, items)
        Donors and hosts are the same checkpoints; the diagonal is what they score themselves. NaN where missing.
    level : float
        Of the intervals.
    """
    places = np.arange(len(hybrids))
    parents = hybrids[places, places, 0]
    together = hybrids + hybrids.swapaxes(0, 1) - parents[:, None, None] - parents[None, :, None]
    more = ("measure",) * (hybrids.ndim - 4)
    dims, (mean, low, high) = ("donor", "host", "range", *more), mean_interval(together, level)
    values = {"interaction": mean, "interaction_low": low, "interaction_high": high}
    return xr.Dataset(
        {
            "parent": (("checkpoint", *more), mean_interval(parents, level)[0]),
            "hybrid": (dims, mean_interval(hybrids, level)[0]),
            **{name: (dims, value) for name, value in values.items()},
        },
        attrs={"level": level},
    )  # fmt: skip

"""Scores of a model whose components' updates since initialisation are scaled, one component at a time.

Formula: component = initial + f (final - initial), f from 0 (rewound) to 1.5; the score of the whole model is f = 1.
Interval: Student's over items, of the change from the whole model. Source: Zhang et al. 2022 (arXiv 1902.01996,
re-initialisation and re-randomisation of layers). Cost: one scoring for each component and factor but 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from torch import nn

from calque.data.errors import UserError
from calque.models.ablations.intervals import mean_interval
from calque.models.ablations.swaps import Array, Keep, Score, scored_with
from calque.models.ablations.weights import State, scaled, weights_replaced


def scaling_scores(
    model: nn.Module, initial: State, final: State, components: Mapping[str, Sequence[str]], factors: Sequence[float],
    score: Score, *, known: Array | None = None, keep: Keep | None = None,
) -> Array:  # fmt: skip
    """Return the scores of a model with each component's update scaled, shape (components, factors, ..., items).

    Parameters
    ----------
    model : nn.Module
        Of the shape of both; its own weights do not matter, and are restored.
    initial, final : State
        All weights before and after training.
    components : mapping of str to sequence of str
        Names of parameters by component.
    factors : sequence of float
        1 is the whole model.
    score : callable
    known : array, optional
        What an interrupted call had; cells without any number are computed.
    keep : callable, optional
        Called after every component.
    """
    with weights_replaced(model, final):
        whole = np.asarray(score(), float)
        found = np.full((len(components), len(factors), *whole.shape), np.nan) if known is None else known.copy()
        for c, held in enumerate(components.values()):
            todo = [f for f in range(len(factors)) if np.isnan(found[c, f]).all()]
            for f in todo:
                factor = factors[f]
                found[c, f] = whole if factor == 1 else scored_with(model, scaled(initial, final, held, factor), score)
            if todo and keep is not None:
                keep(found)
    return found


def scaling_curve(
    model: nn.Module, initial: State, final: State, components: Mapping[str, Sequence[str]], factors: Sequence[float],
    score: Score, *, level: float = 0.95,
) -> xr.Dataset:  # fmt: skip
    """Return the scores of a model whose components' updates since initialisation are scaled, one at a time.

    Parameters
    ----------
    model : nn.Module
    initial, final : State
        All weights before and after training.
    components : mapping of str to sequence of str
        Names of parameters by component (``weights.components``).
    factors : sequence of float
        Such as 0, 0.5, 1, 1.5; 0 rewinds a component to its initial weights.
    score : callable
    level : float
        Of the intervals, over items.

    Returns
    -------
    xarray.Dataset
        Over (component, factor): ``score``, and ``change`` from the whole model with ``change_low``, ``change_high``;
        each over (measure) too where the score has several.

    Raises
    ------
    UserError
        When there is no component, no factor, or less than two items.
    """
    if not components or not len(factors):
        raise UserError(f"`components` has {len(components)} and `factors` {len(factors)}; expected one at least")
    numbers = [*factors, 1.0]
    found = scaling_scores(model, initial, final, components, numbers, score)
    if not 3 <= found.ndim <= 4 or found.shape[-1] < 2:
        raise UserError(f"`score` gives {found.shape[2:]} numbers; expected one for each of two items or more")
    return scaling_table(found, level).assign_coords(component=list(components), factor=numbers).isel(
        factor=slice(len(factors))
    )  # fmt: skip


def scaling_table(scores: Array, level: float) -> xr.Dataset:
    """Return means, and changes from the whole model.

    Parameters
    ----------
    scores : array, shape (components, factors, items) or (components, factors, measures, items)
        The last factor is 1. NaN where missing.
    level : float
        Of the intervals.
    """
    dims = ("component", "factor", *("measure",) * (scores.ndim - 3))
    mean, low, high = mean_interval(scores - scores[:, -1:], level)
    values = {"score": mean_interval(scores, level)[0], "change": mean, "change_low": low, "change_high": high}
    return xr.Dataset({name: (dims, value) for name, value in values.items()}, attrs={"level": level})

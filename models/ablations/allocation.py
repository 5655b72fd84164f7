"""Loss-change allocation: which components made a loss fall between two checkpoints.

Formula: L(after) - L(before) = sum over components of the integral, along the segment between both, of the gradient
times the component's update; nats. The integral is by Simpson's rule, with twice as many intervals until the parts sum
to the whole within 1 %. Below 0 a component's update lowers the loss. Interval: Student's over clusters of items.
Source: Lan et al. 2019 (arXiv 1909.01440). Cost: a forward and a backward pass of all items at each of 3, 5, 9, ...
points; values and gradients of all parameters. The segment is not the path of training: what a component did and undid
between the two is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor, nn

from calque.data.errors import UserError
from calque.models.ablations.intervals import mean_interval
from calque.models.ablations.simpson import MOST, TOLERANCE, integrals
from calque.models.ablations.weights import State

Losses = Callable[[int], Iterable[Tensor]]
"""Gives the loss of a cluster of items in pieces that add up, each with a graph of its own."""
Array = NDArray[np.float64]


def allocation(
    model: nn.Module, before: State, after: State, components: Mapping[str, Sequence[str]], losses: Losses,
    clusters: int, *, tolerance: float = TOLERANCE, most: int = MOST, level: float = 0.95,
) -> xr.Dataset:  # fmt: skip
    """Return the part of each component in the change of a loss between two sets of weights.

    Parameters
    ----------
    model : nn.Module
        Of their shape; its parameters are put back as they were.
    before, after : State
        All weights of each.
    components : mapping of str to sequence of str
        Names of parameters by component; all parameters together (``weights.components``).
    losses : callable
        The loss of a cluster of items, in pieces.
    clusters : int
        2 at least; the loss is the mean over them.
    tolerance : float
        Largest difference of the parts' sum from the whole, as a part of the whole.
    most : int
        Most intervals of Simpson's rule.
    level : float
        Of the intervals, over clusters.

    Returns
    -------
    xarray.Dataset
        Over (component): ``allocation`` with ``allocation_low`` and ``allocation_high``; over (component, cluster)
        ``allocation_by_cluster``; ``whole``, the change of the loss; ``gap``, the difference of the parts' sum from it,
        as a part of it; ``points`` of the integral.

    Raises
    ------
    UserError
        When components lack a parameter, there are less than two clusters, or the parts do not sum to the whole.
    """
    names = [name for held in components.values() for name in held]
    if sorted(names) != sorted(name for name, _ in model.named_parameters()):
        raise UserError(f"`components` has {len(names)} parameters; expected all of the model, each once")
    if clusters < 2:
        raise UserError(f"`clusters` is {clusters}; expected 2 or more")
    with own_parameters(model) as parameters:

        def at(t: float, which: Sequence[int]) -> tuple[Array, Array]:
            """Return losses (1, clusters) and slopes by component (1, clusters, components) on the segment."""
            with torch.no_grad():
                for name, parameter in parameters.items():
                    start, end = before[name].to(parameter), after[name].to(parameter)
                    parameter.copy_(end if t == 1 else start + t * (end - start))
            values, slopes = np.zeros(clusters), np.zeros((clusters, len(components)))
            for cluster in range(clusters):
                model.zero_grad(set_to_none=True)
                for piece in losses(cluster):
                    values[cluster] += float(piece.detach())
                    torch.autograd.backward(piece)
                for c, held in enumerate(components.values()):
                    slopes[cluster, c] = sum(_slope(parameters[n], before[n], after[n]) for n in held)
            return values[None], slopes[None]

        found = integrals(at, 1, tolerance=tolerance, most=most)
    parts, whole, gap, points = (each[0] for each in (found.parts, found.whole, found.gap, found.points))
    if gap > tolerance:
        raise UserError(
            f"the parts sum to {parts.mean(0).sum():.4g} and the loss changes by {whole:.4g}, with {points} points "
            "between the checkpoints; choose checkpoints that are nearer to each other"
        )
    mean, low, high = mean_interval(parts.T, level)
    return xr.Dataset(
        {
            "allocation": ("component", mean), "allocation_low": ("component", low),
            "allocation_high": ("component", high), "allocation_by_cluster": (("component", "cluster"), parts.T),
            "whole": ((), whole), "gap": ((), gap), "points": ((), points),
        },
        {"component": list(components)}, {"level": level},
    )  # fmt: skip


@contextmanager
def own_parameters(model: nn.Module) -> Iterator[dict[str, nn.Parameter]]:
    """Let a model have parameters of its own within, with gradients; the former ones are put back, untouched.

    Parameters
    ----------
    model : nn.Module
        Its parameters may have been made without gradients.

    Yields
    ------
    dict of str to nn.Parameter
        By name, of tied ones one name.
    """
    held = [(m, name, p) for m in model.modules() for name, p in m._parameters.items() if p is not None]
    copies: dict[int, nn.Parameter] = {}
    try:
        for module, name, parameter in held:
            made = copies.get(id(parameter))
            if made is None:
                made = copies[id(parameter)] = nn.Parameter(parameter.detach().clone())
            module._parameters[name] = made
        yield dict(model.named_parameters())
    finally:
        for module, name, parameter in held:
            module._parameters[name] = parameter


def _slope(parameter: nn.Parameter, before: Tensor, after: Tensor) -> float:
    if parameter.grad is None:
        return 0.0
    return float((parameter.grad.double() * (after.to(parameter) - before.to(parameter)).double()).sum())

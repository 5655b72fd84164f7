"""All parameters of a model as one vector, ordered by component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from calque.models.ablations.weights import components
from calque.models.reading.parts import ModelParts


class Layout:
    """Where each parameter, and each component, stands in the vector.

    Parameters
    ----------
    parts : ModelParts

    Attributes
    ----------
    components : dict of str to slice
        By name, as :func:`~calque.models.ablations.weights.components` has them.
    parameters : tuple of nn.Parameter
        In order.
    places : tuple of slice
        Of each of them.
    size : int
        Length of the vector.
    """

    def __init__(self, parts: ModelParts) -> None:
        named = dict(parts.model.named_parameters())
        self.components: dict[str, slice] = {}
        parameters: list[nn.Parameter] = []
        places: list[slice] = []
        self.size = 0
        for component, names in components(parts).items():
            begin = self.size
            for name in names:
                parameters.append(named[name])
                places.append(slice(self.size, self.size + named[name].numel()))
                self.size += named[name].numel()
            self.components[component] = slice(begin, self.size)
        self.parameters, self.places = tuple(parameters), tuple(places)

    def vector(self, values: Sequence[Tensor | None] | None = None) -> Tensor:
        """Return a copy of what stands at the parameters as one vector.

        Parameters
        ----------
        values : sequence of Tensor or None, optional
            One for each parameter, None for zeros; by default the parameters themselves.
        """
        given = self.parameters if values is None else values
        pairs = zip(given, self.parameters, strict=True)
        return torch.cat([(torch.zeros_like(p) if v is None else v).detach().reshape(-1) for v, p in pairs])

    @torch.no_grad()
    def set(self, vector: Tensor) -> None:
        """Give the parameters the values of a ``vector``, in their own type."""
        for parameter, place in zip(self.parameters, self.places, strict=True):
            parameter.copy_(vector[place].view_as(parameter))

    def by_component(self, directions: Tensor, vector: Tensor) -> Tensor:
        """Return the products of a vector with directions, by component.

        Parameters
        ----------
        directions : Tensor, shape (directions, size)
        vector : Tensor, shape (size,)

        Returns
        -------
        Tensor, shape (directions, components)
        """
        return torch.stack([directions[:, span] @ vector[span] for span in self.components.values()], 1)


def settings_of(optimizer: torch.optim.Optimizer, layout: Layout) -> list[Mapping[str, Any]]:
    """Return the settings (``lr``, ``weight_decay``, ``eps``, ...) of each parameter of a ``layout``, in order.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    layout : Layout
    """
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    return [groups[id(p)] for p in layout.parameters]

"""The update of AdamW apart by class of training text: a first moment for each, and the second moment that all share.

Formula (Loshchilov & Hutter 2019; after ExPLAIND, arXiv 2505.20076), with the gradient g = sum over classes of g_k, its
factor f of clipping, and v the second moment of f g:
m_k <- beta1 m_k + (1 - beta1) f g_k;
theta' - theta = - lr wd theta - sum over k of lr / (1 - beta1^t) m_k / (sqrt(v / (1 - beta2^t)) + eps).
It is linear in the m_k, which sum to AdamW's own m. Memory: the moments and the parts of the update so far, each
(classes, parameters), and the part of weight decay. Cost: a pass through each of them a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from calque.models.attribution.layout import Layout, settings_of


class ClassMoments:
    """Parts of the updates of an AdamW optimizer, added up over steps.

    Parameters
    ----------
    layout : Layout
        Of the model in training.
    optimizer : torch.optim.AdamW
        Of the same parameters.
    classes : sequence of str
        Of training text.

    Attributes
    ----------
    moments, moved : Tensor, shape (classes, parameters)
        First moments, and parts of the updates since :meth:`restart`.
    decayed : Tensor, shape (parameters,)
        The part of weight decay in these.
    """

    def __init__(self, layout: Layout, optimizer: torch.optim.Optimizer, classes: Sequence[str]) -> None:
        self.layout, self.optimizer, self.classes = layout, optimizer, tuple(classes)
        like = layout.parameters[0]
        self.moments = torch.zeros(len(self.classes), layout.size, dtype=like.dtype, device=like.device)
        self.moved = torch.zeros_like(self.moments)
        self.decayed = torch.zeros_like(self.moments[0])

    @torch.no_grad()
    def take(self, gradients: Mapping[int, Tensor], factor: Tensor | float) -> None:
        """Take in the gradients of a step, before the update.

        Parameters
        ----------
        gradients : mapping of int to Tensor
            Of the classes that the batch holds, by their number: each the part of its tokens in the batch's gradient.
        factor : Tensor or float
            By which the batch's gradient is clipped.
        """
        beta1 = self.optimizer.param_groups[0]["betas"][0]
        self.moments *= beta1
        for number, gradient in gradients.items():
            self.moments[number].add_(gradient * factor, alpha=1 - beta1)

    @torch.no_grad()
    def moved_from(self, before: Tensor) -> None:
        """Add the parts of the update that was just taken.

        Parameters
        ----------
        before : Tensor, shape (parameters,)
            The weights before it.
        """
        groups = settings_of(self.optimizer, self.layout)
        for parameter, place, group in zip(self.layout.parameters, self.layout.places, groups, strict=True):
            state = self.optimizer.state[parameter]
            beta1, beta2 = group["betas"]
            taken = float(state["step"])
            root = state["exp_avg_sq"].reshape(-1).sqrt() / (1 - beta2**taken) ** 0.5 + group["eps"]
            rate = group["lr"]
            self.moved[:, place] -= rate / (1 - beta1**taken) * (self.moments[:, place] / root)
            self.decayed[place] -= rate * group["weight_decay"] * before[place]

    def restart(self) -> None:
        """Begin to add up anew."""
        self.moved.zero_()
        self.decayed.zero_()

    def directions(self, whole: Tensor) -> Tensor:
        """Return the parts of the updates: classes, weight decay, and what is left, in float64.

        Parameters
        ----------
        whole : Tensor, shape (parameters,)
            All of the updates since :meth:`restart`. What is left is rounding, and what the first moment held before
            its classes were known.

        Returns
        -------
        Tensor, shape (classes + 2, parameters)
            They sum to ``whole``.
        """
        known = torch.cat([self.moved, self.decayed[None]]).double()
        return torch.cat([known, (whole.double() - known.sum(0))[None]])

"""Gradients of a batch by class of training text: the parts of its loss of the rows of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from calque.models.attribution.layout import Layout
from calque.models.decoder.loss import Objective


class TextClasses(Protocol):
    """Tells the class of each row of a batch, as ``calque.data.shards.sampler.Sampler`` does: its stream.

    A stream of a language holds text of that language alone; streams of several languages (aligned lines, entries,
    glossaries) are classes of their own.
    """

    @property
    def streams(self) -> tuple[str, ...]:
        """The classes."""
        ...

    def row_streams(self, step: int) -> list[int]:
        """Return the class of each row of the batch of ``step``, as an index of ``streams``."""
        ...


def class_gradients(
    objective: Objective, layout: Layout, batch: Tensor, classes: Sequence[int], targets: Tensor | None,
    scale: Tensor | float, rows_at_once: int,
) -> dict[int, Tensor]:  # fmt: skip
    """Return the part of each class in the gradient of a batch's loss, shape (parameters,) each; they sum to it.

    Rows are read independently of each other, so that the part of a class is the gradient of its rows' losses, divided
    by the number of all rows.

    Parameters
    ----------
    objective : Objective
        Of training, not compiled.
    layout : Layout
        Of its decoder.
    batch : int tensor, shape (rows, context + 1)
    classes : sequence of int
        Of the rows.
    targets : int tensor, shape (rows, context), optional
        As training has them.
    scale : Tensor or float
        Of the loss.
    rows_at_once : int
        Most rows of a pass.
    """
    found: dict[int, Tensor] = {}
    of_rows = torch.tensor(list(classes))
    for number in sorted(set(classes)):
        for rows in torch.split((of_rows == number).nonzero().flatten().to(batch.device), rows_at_once):
            goal, _ = objective(batch[rows], None if targets is None else targets[rows])
            share = goal * scale * (len(rows) / len(batch))
            part = layout.vector(torch.autograd.grad(share, layout.parameters, allow_unused=True))
            found[number] = found[number] + part if number in found else part
    return found

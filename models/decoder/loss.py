"""The training objective: next-token cross-entropy, computed in chunks where the vocabulary is large."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calque.models.config.memory import logits_at_once
from calque.models.decoder.chunked_loss import chunked_cross_entropy
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.documents import document_mask
from calque.models.decoder.linear import as_float32, linear
from calque.models.decoder.targets import IGNORED


class Objective(nn.Module):
    """Mean cross-entropy (nats/token) of the next token, and what training minimises.

    Logits of more bytes than :func:`~calque.models.config.memory.logits_at_once` allows, and all on a GPU, are computed
    for a chunk of tokens at a time (:mod:`~calque.models.decoder.chunked_loss`).

    Parameters
    ----------
    decoder : Decoder
    z_loss : float
        Coefficient of the mean squared log-normaliser.
    begins : sequence of int
        Tokens that begin documents: each position then reads its own document alone. Empty: all of its row.
    """

    def __init__(self, decoder: Decoder, z_loss: float = 0.0, begins: Sequence[int] = ()) -> None:
        super().__init__()
        self.decoder, self.z_loss, self.begins = decoder, z_loss, tuple(begins)

    def forward(self, tokens: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the objective and the cross-entropy (nats/token) of ``tokens``: means over all positions.

        Parameters
        ----------
        tokens : int tensor, shape (batch, context + 1)
        targets : int tensor, shape (batch, context), optional
            Ignored ones add 0 to the means (:mod:`~calque.models.decoder.targets`); by default every next token.
        """
        read = tokens[:, :-1]
        mask = document_mask(read, self.begins) if self.begins else None
        residuals = self.decoder.residuals(read, mask).flatten(0, 1)
        head = self.decoder.head
        wanted = tokens[:, 1:] if targets is None else targets
        return objective(residuals, head.weight, wanted.flatten(), self.z_loss, head.compute)


def objective(
    residuals: Tensor, head: Tensor, targets: Tensor, z_loss: float = 0.0, compute: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """Return the objective and the mean cross-entropy (nats/token), without its gradient.

    Both are sums over the targets that are not ignored, divided by the number of all targets.

    Parameters
    ----------
    residuals : Tensor, shape (tokens, width)
    head : Tensor, shape (vocab, width)
    targets : int tensor, shape (tokens,)
        Ignored where :data:`~calque.models.decoder.targets.IGNORED`.
    z_loss : float
        Coefficient of the mean squared log-normaliser.
    compute : torch.dtype, optional
        Type of the factors of the products; by default that of ``head``.
    """
    kind = compute or head.dtype
    rows = max(1, logits_at_once(residuals.device.type) // (4 * head.shape[0]))
    if residuals.is_cuda or len(residuals) > rows:  # a GPU gives float32 logits there
        return chunked_cross_entropy(residuals, head, targets, z_loss=z_loss, rows=rows, kind=kind)
    return whole_cross_entropy(residuals, head, targets, z_loss=z_loss, kind=kind)


def whole_cross_entropy(
    residuals: Tensor, head: Tensor, targets: Tensor, *, z_loss: float = 0.0, kind: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return what :func:`~calque.models.decoder.chunked_loss.chunked_cross_entropy` does, from all logits at once.

    ``residuals``, ``head``, ``targets``, ``z_loss`` and ``kind`` are those of that function.
    """
    logits = as_float32(linear(residuals.to(kind), head.to(kind)))
    crossed = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum") / len(targets)
    if not z_loss:
        return crossed, crossed.detach()
    squared = logits.logsumexp(-1).square() * (targets != IGNORED)
    goal = crossed + z_loss * squared.sum() / len(targets)
    return goal, crossed.detach()

"""The training objective: next-token cross-entropy, computed in chunks where the vocabulary is large."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from calque.models.config.memory import WHOLE_LOGITS
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.linear import linear


class Objective(nn.Module):
    """Mean cross-entropy (nats/token) of the next token, and what training minimises.

    Logits of more than :data:`~calque.models.config.memory.WHOLE_LOGITS` bytes are computed for a chunk of tokens at a
    time: on a GPU by ``F.linear_cross_entropy``; with a z-loss, which needs the normaliser, and on a CPU, where that
    function is several times slower, by chunks that are recomputed in the backward pass.

    Parameters
    ----------
    decoder : Decoder
    z_loss : float
        Coefficient of the mean squared log-normaliser.
    """

    def __init__(self, decoder: Decoder, z_loss: float = 0.0) -> None:
        super().__init__()
        self.decoder, self.z_loss = decoder, z_loss

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the objective and the cross-entropy (nats/token) of ``tokens``, shape (batch, context + 1)."""
        residuals = self.decoder.residuals(tokens[:, :-1]).flatten(0, 1)
        return objective(residuals, self.decoder.head.weight, tokens[:, 1:].flatten(), self.z_loss)


def objective(residuals: Tensor, head: Tensor, targets: Tensor, z_loss: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return the objective and the mean cross-entropy (nats/token), without its gradient.

    Parameters
    ----------
    residuals : Tensor, shape (tokens, width)
    head : Tensor, shape (vocab, width)
    targets : int tensor, shape (tokens,)
    z_loss : float
        Coefficient of the mean squared log-normaliser.
    """
    rows = max(1, WHOLE_LOGITS // (4 * head.shape[0]))
    if len(residuals) <= rows:
        crossed, squared = _sums(residuals, head, targets, z_loss)
    elif residuals.device.type == "cuda" and not z_loss:
        mean = F.linear_cross_entropy(
            residuals, head.to(residuals.dtype), targets,
            options=torch.nn.LinearCrossEntropyOptions(allow_retain_graph=torch.compiler.is_compiling()),
        ).float()  # fmt: skip
        return mean, mean.detach()
    else:
        parts = [
            checkpoint(_sums, part, head, wanted, z_loss, use_reentrant=False)
            for part, wanted in zip(torch.split(residuals, rows), torch.split(targets, rows), strict=True)
        ]
        crossed, squared = (torch.stack(sums).sum() for sums in zip(*parts, strict=True))
    mean = crossed / len(targets)
    return (mean + z_loss * squared / len(targets) if z_loss else mean), mean.detach()


def _sums(residuals: Tensor, head: Tensor, targets: Tensor, z_loss: float) -> tuple[Tensor, Tensor]:
    """Return the summed cross-entropy and the summed squared log-normaliser (0 without a z-loss)."""
    logits = linear(residuals, head.to(residuals.dtype)).float()
    crossed = F.cross_entropy(logits, targets, reduction="sum")
    return crossed, logits.logsumexp(-1).square().sum() if z_loss else crossed.new_zeros(())

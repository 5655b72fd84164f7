"""Log-probabilities of the tokens of whole texts, without all their logits at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from calque.models.scoring.batches import BATCH_LOGITS
from calque.models.scoring.language_model import DecoderModel, LanguageModel


def token_logprobs(model: LanguageModel, tokens: Tensor) -> Tensor:
    """Return log p of every token but the first given those before it, in nats, float32.

    A decoder reads all rows at once and computes logits for some positions at a time; another model reads as many rows
    at once as its logits allow (:data:`~calque.models.scoring.batches.BATCH_LOGITS`).

    Parameters
    ----------
    model : LanguageModel
    tokens : int tensor, shape (batch, length)

    Returns
    -------
    Tensor, shape (batch, length - 1)
    """
    given, wanted = tokens[:, :-1], tokens[:, 1:]
    if isinstance(model, DecoderModel):
        residuals = model.decoder.residuals(given).flatten(0, 1)
        size = max(1, BATCH_LOGITS // model.vocabulary)
        parts = zip(torch.split(residuals, size), torch.split(wanted.flatten(), size), strict=True)
        return torch.cat([_of(model.decoder.head(part), these) for part, these in parts]).view(wanted.shape)
    size = max(1, BATCH_LOGITS // (given.shape[1] * model.vocabulary))
    pairs = zip(torch.split(given, size), torch.split(wanted, size), strict=True)
    return torch.cat([_of(model.read(some)[0].flatten(0, 1), these.flatten()) for some, these in pairs]).view(
        wanted.shape
    )


def _of(logits: Tensor, wanted: Tensor) -> Tensor:
    return -F.cross_entropy(logits.float(), wanted, reduction="none")

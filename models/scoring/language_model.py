"""The one thing scorers ask of a model: to read tokens and give the logits of what follows."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from calque.models.decoder.decoder import Cache, Decoder


class LanguageModel(Protocol):
    """A causal language model: ours, or any other behind the same two properties and one method."""

    @property
    def device(self) -> torch.device:
        """Where tokens have to be."""
        ...

    @property
    def vocabulary(self) -> int:
        """Number of logits at a position."""
        ...

    def read(self, tokens: Tensor, cache: Cache | None = None, last: int | None = None) -> tuple[Tensor, Cache]:
        """Return logits and the cache to go on from.

        Parameters
        ----------
        tokens : int tensor, shape (batch, length)
        cache : Cache, optional
            What an earlier call returned for the text before ``tokens``; it is not changed.
        last : int, optional
            Logits of so many last positions; None gives those of all.

        Returns
        -------
        logits : Tensor, shape (batch, last or length, vocabulary)
        cache : Cache
        """
        ...


class DecoderModel:
    """Our decoder as a :class:`LanguageModel`."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    @property
    def device(self) -> torch.device:
        """Where the embedding is."""
        return self.decoder.embedding.weight.device

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding."""
        return self.decoder.embedding.num_embeddings

    def read(self, tokens: Tensor, cache: Cache | None = None, last: int | None = None) -> tuple[Tensor, Cache]:
        """Return logits and the cache, as :class:`LanguageModel` says."""
        hidden, cache = self.decoder.hidden(tokens, cache)
        logits: Tensor = self.decoder.head(hidden if last is None else hidden[:, -last:])
        return logits, cache


def language_model(model: Decoder | LanguageModel) -> LanguageModel:
    """Return a decoder as a :class:`LanguageModel`; what is one already stays as it is."""
    return DecoderModel(model) if isinstance(model, Decoder) else model

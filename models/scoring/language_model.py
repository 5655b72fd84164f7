"""The interface between scorers and models: read tokens, return logits."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from calque.models.decoder.decoder import Cache, Decoder


class LanguageModel(Protocol):
    """A causal language model, such as :class:`DecoderModel` or one of ``transformers``."""

    @property
    def device(self) -> torch.device:
        """The device of the weights, where tokens have to be."""
        ...

    @property
    def vocabulary(self) -> int:
        """Number of logits of a position."""
        ...

    def read(self, tokens: Tensor, cache: Cache | None = None, last: int | None = None) -> tuple[Tensor, Cache]:
        """Return logits and the cache of all tokens so far.

        Parameters
        ----------
        tokens : int tensor, shape (batch, length)
        cache : Cache, optional
            Returned by an earlier call for the text before ``tokens``; it is not modified.
        last : int, optional
            Number of last positions whose logits are returned; None returns all.

        Returns
        -------
        logits : Tensor, shape (batch, last or length, vocabulary)
        cache : Cache
        """
        ...


class DecoderModel:
    """A :class:`~calque.models.decoder.decoder.Decoder` as a :class:`LanguageModel`."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    @property
    def device(self) -> torch.device:
        """The device of the embedding."""
        return self.decoder.embedding.weight.device

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding."""
        return self.decoder.embedding.num_embeddings

    def read(self, tokens: Tensor, cache: Cache | None = None, last: int | None = None) -> tuple[Tensor, Cache]:
        """Return logits of ``tokens`` (the ``last`` positions) and the cache, as :meth:`LanguageModel.read` does."""
        hidden, cache = self.decoder.hidden(tokens, cache)
        logits: Tensor = self.decoder.head(hidden if last is None else hidden[:, -last:])
        return logits, cache


def language_model(model: Decoder | LanguageModel) -> LanguageModel:
    """Return ``model`` as a :class:`LanguageModel`, wrapping a decoder."""
    return DecoderModel(model) if isinstance(model, Decoder) else model

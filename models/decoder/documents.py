"""Attention within documents: which token may read which, from the tokens that begin documents."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def document_mask(tokens: Tensor, begins: Iterable[int]) -> Tensor:
    """Return which positions each position reads, bool, shape (rows, 1, length, length): itself and those before it.

    Only those of its own document: a document goes from a token that begins one to the next such token. What stands
    before the first in a row is the end of another document, and one by itself.

    Parameters
    ----------
    tokens : int tensor, shape (rows, length)
    begins : iterable of int
        The tokens that begin documents.
    """
    first = torch.zeros_like(tokens, dtype=torch.bool)
    for token in begins:
        first = first | (tokens == token)
    document = first.cumsum(1)
    return (document[:, :, None] == document[:, None, :]).tril()[:, None]

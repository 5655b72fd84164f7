"""Which targets carry loss: all, or those that no induction head would predict (``hapax``)."""

from __future__ import annotations

import torch
from torch import Tensor

IGNORED = -100
"""The target of a position without loss, torch's default for ``ignore_index``."""


def repeated_bigrams(tokens: Tensor) -> Tensor:
    """Return which targets repeat a bigram of their row, bool, shape (rows, context).

    Target t of a row is token t + 1. It is True where the bigram (token t, token t + 1) stands earlier in the row, so
    that a head which looks for the token before and copies what followed it finds this target. Document boundaries do
    not matter: attention reads across them.

    Parameters
    ----------
    tokens : int tensor, shape (rows, context + 1)
        Below 2**31, so that a bigram is one integer.
    """
    bigrams = (tokens[:, :-1].long() << 31) | tokens[:, 1:].long()
    ordered, places = bigrams.sort(dim=1, stable=True)  # equal ones stay in the order of the row: the first is new
    again = torch.zeros_like(ordered, dtype=torch.bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    return torch.zeros_like(again).scatter_(1, places, again)


def hapax_targets(tokens: Tensor) -> Tensor:
    """Return the targets of ``tokens``, :data:`IGNORED` where they repeat a bigram, shape (rows, context).

    Parameters
    ----------
    tokens : int tensor, shape (rows, context + 1)
    """
    return tokens[:, 1:].masked_fill(repeated_bigrams(tokens), IGNORED)

"""Greedy continuations and log-probabilities of given continuations, for many prompts at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from models.decoder import Cache, Decoder

BATCH_TOKENS = 16_384


def batches_by_length(sequences: Sequence[Sequence[int]], extra: int = 0) -> Iterator[list[int]]:
    """Yield lists of indices whose sequences have one length, in batches of at most about 16k tokens.

    Parameters
    ----------
    sequences : sequence of sequences of int
    extra : int
        Tokens that will be appended to each.
    """
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, sequence in enumerate(sequences):
        by_length[len(sequence)].append(index)
    for length, members in sorted(by_length.items()):
        size = max(1, BATCH_TOKENS // (length + extra))
        for start in range(0, len(members), size):
            yield members[start : start + size]


def read_prompts(decoder: Decoder, prompts: Tensor) -> tuple[Tensor, Cache]:
    """Return next-token log-probabilities, shape (batch, vocab), and the cache after ``prompts`` (batch, length)."""
    hidden, cache = decoder.hidden(prompts)
    return decoder.head(hidden[:, -1]).float().log_softmax(-1), cache


def greedy(decoder: Decoder, first: Tensor, cache: Cache, new_tokens: int) -> Tensor:
    """Return the greedy continuation, shape (batch, new_tokens).

    Parameters
    ----------
    first : Tensor, shape (batch, vocab)
        Log-probabilities of the first new token, from :func:`read_prompts`.
    cache : Cache
        From the same call; it is not changed.
    """
    tokens = [first.argmax(-1, keepdim=True)]
    while len(tokens) < new_tokens:
        hidden, cache = decoder.hidden(tokens[-1], cache)
        tokens.append(decoder.head(hidden[:, -1]).argmax(-1, keepdim=True))
    return torch.cat(tokens, 1)


def continuation_logprob(decoder: Decoder, first: Tensor, cache: Cache, rows: Tensor, tokens: Tensor) -> Tensor:
    """Return log p(continuation | prompt) in nats, shape (n,).

    Parameters
    ----------
    first, cache
        From :func:`read_prompts` over a batch of prompts.
    rows : int tensor, shape (n,)
        Which prompt each continuation follows.
    tokens : int tensor, shape (n, length)
        Continuations, filled with -1 behind their end.
    """
    known = tokens >= 0
    ids = tokens.clamp(min=0)
    total = first[rows, ids[:, 0]]
    if tokens.shape[1] > 1:
        taken = [(key[rows], value[rows]) for key, value in cache]
        hidden, _ = decoder.hidden(ids[:, :-1], taken)
        logprob = decoder.head(hidden).float().log_softmax(-1)
        later = logprob.gather(-1, ids[:, 1:, None])[..., 0]
        total = total + (later * known[:, 1:]).sum(1)
    return total

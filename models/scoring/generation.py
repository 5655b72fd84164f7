"""Greedy generation, and log-probabilities of given continuations, for a batch of prompts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from calque.models.decoder.decoder import Cache
from calque.models.scoring.batches import batches_by_length
from calque.models.scoring.language_model import LanguageModel
from calque.models.scoring.prompts import take

COMPACT_SHARE = 0.75
"""Finished rows are removed from the batch once at most this share is unfinished: removal copies the cache."""


def greedy(model: LanguageModel, first: Tensor, cache: Cache, new_tokens: int, stops: Tensor) -> list[list[int] | None]:
    """Return greedy continuations, each up to its first token that ends an answer; None where logits are not finite.

    Parameters
    ----------
    model : LanguageModel
    first : Tensor, shape (batch, vocabulary)
        Logits of the first new token.
    cache : Cache
        After the prompts; it is not modified.
    new_tokens : int
        Most tokens of a continuation.
    stops : bool tensor, shape (vocabulary,)
        Which tokens end a continuation; they are part of it.
    """
    generated = torch.full((len(first), new_tokens), -1, device=first.device)
    finite = torch.ones(len(first), dtype=torch.bool, device=first.device)
    rows = torch.arange(len(first), device=first.device)
    token, best = _best(first)
    unfinished = torch.ones_like(token, dtype=torch.bool)
    for place in range(new_tokens):
        generated[rows, place] = token
        finite[rows] &= best.isfinite() | ~unfinished  # an answer that has ended is whole
        unfinished &= ~stops[token]
        left = int(unfinished.sum())
        if place + 1 == new_tokens or not left:
            break
        if left <= COMPACT_SHARE * len(rows):
            kept = unfinished.nonzero()[:, 0]
            rows, token, unfinished, cache = rows[kept], token[kept], unfinished[kept], take(cache, kept)
        logits, cache = model.read(token[:, None], cache, last=1)
        token, best = _best(logits[:, -1])
    ends = stops[generated.clamp(min=0)] | (generated < 0)
    lengths = torch.where(ends.any(1), ends.int().argmax(1) + 1, new_tokens).tolist()
    return [
        answer[:length] if whole else None
        for answer, length, whole in zip(generated.tolist(), lengths, finite.tolist(), strict=True)
    ]


def _best(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the most probable token of each row and its logit, not finite where one of the row is NaN or +inf."""
    token = logits.argmax(-1)
    return token, logits.gather(-1, token[:, None])[:, 0]


def continuation_logprob(
    model: LanguageModel, first: Tensor, cache: Cache, rows: Sequence[int], continuations: Sequence[Sequence[int]]
) -> Tensor:
    """Return log p(continuation | prompt) in nats, shape (n,), float32 on the model's device.

    Parameters
    ----------
    model : LanguageModel
    first : Tensor, shape (batch, vocabulary)
        Logits of the first token after each prompt.
    cache : Cache
        After the prompts; it is not modified.
    rows : sequence of int, length n
        Index of the prompt that each continuation follows.
    continuations : sequence of sequences of int, length n
        Token ids, none empty.
    """
    device = first.device
    index = torch.tensor(rows, device=device)
    heads = torch.tensor([one[0] for one in continuations], device=device)
    total = first[index, heads] - first.logsumexp(-1)[index]
    past, vocabulary = cache[0][0].shape[2], model.vocabulary
    for members in batches_by_length(continuations, past, logits_per_token=2 * vocabulary):
        if len(continuations[members[0]]) == 1:
            continue
        tokens = torch.tensor([continuations[i] for i in members], device=device)
        logits, _ = model.read(tokens[:, :-1], take(cache, [rows[i] for i in members]))
        logits = logits.float()
        later = logits.gather(-1, tokens[:, 1:, None])[..., 0] - logits.logsumexp(-1)
        total[torch.tensor(members, device=device)] += later.sum(1)
    return total

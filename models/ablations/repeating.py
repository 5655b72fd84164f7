"""How well a model repeats: the log-probability of random tokens that were said before.

Formula: on a text of n random tokens said twice, the mean over the second half, its first token left out, of
log p(token); nats. The probability stands beside it, for the two may tell different stories (Zhang and Nanda 2024,
arXiv 2309.16042). Cost: one forward pass, and the logits of the second half.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from calque.models.components.prefix_matching import second_half
from calque.models.decoder.linear import as_float32
from calque.models.reading.parts import ModelParts


@torch.no_grad()
def repeating(parts: ModelParts, tokens: Tensor, length: int, begin: bool) -> tuple[Tensor, Tensor]:
    """Return the mean log-probability (nats) and the mean probability of each prompt's second half, (prompts) each.

    Parameters
    ----------
    parts : ModelParts
    tokens : int tensor, shape (prompts, begin + 2 length)
        Prompts of ``calque.models.components.repeated_tokens``.
    length : int
        Tokens of a half.
    begin : bool
        Whether a token begins the prompts.
    """
    places: Sequence[int] = second_half(length, begin)
    final = parts.run(tokens)[:, list(places)]
    wanted = tokens[:, [place + 1 for place in places]]
    logits = torch.stack([as_float32(parts.unembedding(row)) for row in final])
    logprob = logits.log_softmax(-1).gather(-1, wanted[..., None])[..., 0]
    return logprob.mean(-1), logprob.exp().mean(-1)

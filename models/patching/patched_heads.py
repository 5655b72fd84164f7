"""What a head's output, put into a prompt at its last position, adds to the answer.

Formula: log p(answer) with another output minus log p(answer) as it was, nats; the same of p(answer). An answer is the
sum over its accepted first tokens. Later parts are computed anew from what they then read. Cost: for every head one
forward pass of each prompt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calque.models.decoder.linear import as_float32
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import BUDGET, read
from calque.models.reading.replacing import heads_replaced

Array = NDArray[np.float64]


@torch.no_grad()
def heads_patched(
    parts: ModelParts, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], given: Sequence[Tensor]
) -> Array:
    """Return what each head's output adds, shape (given, 2, layers, prompts, heads): to log p (nats), and to p.

    Parameters
    ----------
    parts : ModelParts
    prompts : sequence of sequences of int
        Their tokens.
    answers : sequence of sequences of int
        Different tokens that answer each, one at least.
    given : sequence of Tensor, shape (layers, prompts, heads, head_width)
        What heads give at the last position of each prompt, instead of their output there.
    """
    found = np.empty((len(given), 2, len(parts.blocks), len(prompts), parts.heads))
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, prompt in enumerate(prompts):
        by_length[len(prompt)].append(i)
    for rows in by_length.values():
        tokens = torch.tensor([list(prompts[i]) for i in rows], device=parts.device)
        wanted = [answers[i] for i in rows]
        before = _answered(parts, tokens, wanted)
        for layer, head in np.ndindex(len(parts.blocks), parts.heads):
            for side, outputs in enumerate(given):
                with heads_replaced(parts, {(layer, head): outputs[layer, rows, head, None]}, last=True):
                    found[side, :, layer, rows, head] = (_answered(parts, tokens, wanted) - before).T
    return found


def last_outputs(parts: ModelParts, prompts: Sequence[Sequence[int]], budget: int = BUDGET) -> Tensor:
    """Return the outputs of all heads at the last position of each prompt, shape (layers, prompts, heads, head_width).

    Parameters
    ----------
    parts : ModelParts
    prompts : sequence of sequences of int
    budget : int
        Bytes that a batch of prompts may take.
    """
    shape = (len(parts.blocks), len(prompts), parts.heads, parts.head_width)
    found = torch.empty(shape, device=parts.device, dtype=parts.kind)
    for reading in read(parts, prompts, ["heads"], positions=[[-1]] * len(prompts), budget=budget):
        assert reading.heads is not None
        found[:, reading.prompts] = reading.heads[..., 0, :]
    return found


def _answered(parts: ModelParts, tokens: Tensor, answers: Sequence[Sequence[int]]) -> Array:
    """Return log p and p of the answer after each prompt, shape (2, prompts)."""
    logprob = as_float32(parts.unembedding(parts.run(tokens)[:, -1])).log_softmax(-1)
    most = max(map(len, answers))
    padded = torch.tensor([[*one, *[one[0]] * (most - len(one))] for one in answers], device=parts.device)
    beyond = torch.arange(most, device=parts.device) >= torch.tensor([[len(one)] for one in answers]).to(parts.device)
    said = logprob.gather(-1, padded).masked_fill(beyond, -torch.inf).logsumexp(-1).double().cpu().numpy()
    return np.stack([said, np.exp(said)])

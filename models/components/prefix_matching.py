"""Prefix matching, the attention of induction heads: to the token after the earlier occurrence of the present one.

Formula: on a text of n random tokens said twice, the mean over positions i of the second half, the last left out, of
A[i, i - n + 1]; from 0 to 1, without unit. Control: the same positions where the first half is of other tokens
(:mod:`~calque.models.components.repeated_tokens`), so that distance alone explains nothing.
Source: Olsson et al. 2022 (arXiv 2209.11895). Cost: two forward passes, and the patterns of the second half.
"""

from __future__ import annotations

import torch
from torch import Tensor

from calque.models.components.probe import Probe

PROBE = Probe(
    name="prefix_matching", about="mean attention to the token after the earlier occurrence of the present one",
    control="the same positions after other tokens", units="1", kind="proportion", source="Olsson et al. 2022",
)  # fmt: skip


def second_half(length: int, begin: bool) -> list[int]:
    """Return the positions to read: those of the second half but the last.

    Parameters
    ----------
    length : int
        Tokens of a half.
    begin : bool
        Whether a token begins the prompts.
    """
    return list(range(length + begin, 2 * length + begin - 1))


def prefix_matching(patterns: Tensor, length: int, begin: bool) -> Tensor:
    """Return the score of each head for each prompt, shape (..., prompts, heads).

    Parameters
    ----------
    patterns : Tensor, shape (..., prompts, heads, length - 1, tokens)
        At the positions of :func:`second_half`.
    length : int
        Tokens of a half.
    begin : bool
        Whether a token begins the prompts.
    """
    keys = torch.tensor(second_half(length, begin), device=patterns.device) - length + 1
    rows = torch.arange(len(keys), device=patterns.device)
    return patterns[..., rows, keys].mean(-1)

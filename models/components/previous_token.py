"""Previous-token heads: attention to the token before.

Formula: the mean over positions i of A[i, i - 1], A being the attention pattern of the head, for all i that have more
than one position before them; from 0 to 1, without unit.
Control: heads of random phases (:mod:`~calque.models.components.random_phases`). Attention to what is further back is
no control: fixed weights prefer some distance to others by chance, and do so in every prompt.
Source: Elhage et al. 2021; Olsson et al. 2022 (arXiv 2209.11895). Cost: one forward pass of the prompts, their
patterns, and those of the random heads.
"""

from __future__ import annotations

from torch import Tensor

from calque.models.components.probe import Probe

PROBE = Probe(
    name="previous_token", about="mean attention to the token before", control="the head with random phases",
    units="1", kind="proportion", source="Elhage et al. 2021; Olsson et al. 2022",
)  # fmt: skip


def previous_token(patterns: Tensor, start: int = 0) -> Tensor:
    """Return the score of each head for each prompt, shape (..., prompts, heads).

    Parameters
    ----------
    patterns : Tensor, shape (..., prompts, heads, length, length)
        Of whole prompts, 3 tokens at least.
    start : int
        The first position that counts as a previous one: 1 leaves out a token that begins the text, to which many heads
        attend for want of anything else (Xiao et al. 2023, arXiv 2309.17453).
    """
    return patterns.diagonal(-1, -2, -1)[..., start + 1 :].mean(-1)

"""Ablation of the heads of the highest prefix matching, chosen on other prompts than they are judged on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.models.ablations.heads import ablate_heads
from calque.models.ablations.settings import AblationSettings
from calque.models.components.head_settings import HeadSettings
from calque.models.components.heads import probe_heads
from calque.models.components.token_sets import TokenSet
from calque.models.reading.parts import ModelParts

NAME = "head_ablation"
RENAMED = {
    "change": NAME, "change_low": f"{NAME}_low", "change_high": f"{NAME}_high", "intact": f"{NAME}_intact",
    "random_change": f"{NAME}_control", "difference": f"{NAME}_difference", "difference_low": f"{NAME}_difference_low",
    "difference_high": f"{NAME}_difference_high", "p_value": f"{NAME}_p_value",
}  # fmt: skip
"""Variables of the group by those of :func:`~calque.models.ablations.heads.ablate_heads`."""
ABOUT = {
    NAME: "change of log p, and of p, of repeated tokens without the heads of the highest prefix matching",
    f"{NAME}_control": "the same without as many other heads at random",
}


def strongest_heads_ablated(
    parts: ModelParts, tokens: TokenSet, heads: HeadSettings, settings: AblationSettings
) -> xr.Dataset:
    """Return what taking the heads of the highest prefix matching away does to the repeating of random tokens.

    They give what ``settings`` says: by default what they give in another prompt.

    Parameters
    ----------
    parts : ModelParts
    tokens : TokenSet
        What prompts are drawn from.
    heads : HeadSettings
        How they are chosen: by the score on the prompts that decide.
    settings : AblationSettings

    Returns
    -------
    xarray.Dataset
        Over ``repeating`` (logprob, probability) what ``RENAMED`` names; over (layer, head) ``head_ablation_chosen``, 1
        for those that were taken away.
    """
    score = probe_heads(parts, [tokens], ["prefix_matching"], heads)["prefix_matching_deciding"]
    chosen = highest_heads(score.values, min(settings.heads, score.size // 2))
    generator = np.random.default_rng(np.random.SeedSequence([settings.seed, 1]))
    found = ablate_heads(
        parts, tokens, chosen, generator, kind=settings.instead, prompts=heads.prompts, length=heads.half,
        level=settings.level,
    )  # fmt: skip
    table = found[list(RENAMED)].rename({**RENAMED, "measure": "repeating"}).drop_attrs()
    table = table.assign({f"{NAME}_chosen": (("layer", "head"), marked(chosen, score.shape))})
    table = table.assign_coords(layer=score["layer"], head=score["head"])
    for name, about in ABOUT.items():
        table[name].attrs = {"long_name": about}
    return table


def highest_heads(scores: NDArray[np.float64], count: int) -> list[tuple[int, int]]:
    """Return the ``count`` heads (layer, head) of the highest ``scores``, of shape (layers, heads)."""
    places = np.unravel_index(np.argsort(-scores, axis=None)[:count], scores.shape)
    return [(int(layer), int(head)) for layer, head in zip(*places, strict=True)]


def marked(heads: Iterable[tuple[int, int]], shape: Sequence[int]) -> NDArray[np.int8]:
    """Return 1 for the ``heads``, 0 for others, of ``shape`` (layers, heads)."""
    found = np.zeros(tuple(shape), np.int8)
    for place in heads:
        found[place] = 1
    return found

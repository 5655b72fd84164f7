"""Conditional co-ablation: what further loss a head brings once the strongest heads of a type are gone (backup heads).

Formula: the interaction effect(first and head) - effect(first) - effect(head), where an effect is the score of
:mod:`~calque.models.ablations.word_scores` without heads minus with them, and the first are the heads of the highest
score of a type. Below 0 a head matters more once they are gone: it does what they did. Control: the same with as many
other heads at random in place of the first, of the same layers where there are enough, ``SETS`` times, no head twice.
Interval and one-sided paired test (that the interaction is no lower than its control): Student's over concepts,
adjusted over heads (Benjamini and Yekutieli 2001). What heads give instead: :mod:`~calque.models.ablations.instead`.
Source: McGrath et al. 2023 (arXiv 2307.15771); Wang et al. 2023 (arXiv 2211.00593, backup heads). Cost: for every head
``2 + SETS`` forward passes of each question. A score that is at its floor without the first heads falls no further, and
the interaction is then above 0; heads that add up in logits need not add up in log-probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.models.ablations.intervals import adjusted_p_values, lower_p_value, mean_interval
from calque.models.ablations.settings import SETS, AblationSettings
from calque.models.ablations.strongest_heads import highest_heads, marked
from calque.models.ablations.word_scores import MEASURES, WordScores
from calque.models.reading.parts import ModelParts
from calque.models.word_ablations.word_ablation import Array, Head, WordAblation

NAME = "co_ablation"
ABOUT = {
    NAME: "effect of the first heads and the head together, minus that of each alone",
    f"{NAME}_control": "the same with other heads at random in place of the first",
    f"{NAME}_difference": "the interaction minus its control",
    f"{NAME}_p_value": "p-value that the interaction is no lower than its control",
    f"{NAME}_p_adjusted": "this p-value adjusted over heads (Benjamini and Yekutieli 2001)",
    f"{NAME}_alone": "change of the score without the head alone",
    f"{NAME}_first": "change of the score without the first heads",
    f"{NAME}_first_control": "the same without other heads at random",
    f"{NAME}_chosen": "1 for the first heads",
}


def co_ablated(
    parts: ModelParts, words: WordScores, scores: NDArray[np.float64], settings: AblationSettings
) -> xr.Dataset:
    """Return what further loss each head brings once the heads of the highest score are gone.

    Parameters
    ----------
    parts : ModelParts
    words : WordScores
    scores : array, shape (layers, heads)
        Of the type, on prompts that decide.
    settings : AblationSettings
        ``heads`` are taken away first; a third of the model's heads at most.

    Returns
    -------
    xarray.Dataset
        Over (layer, head, measure) ``co_ablation`` and what ``ABOUT`` names, with ``_low`` and ``_high`` of
        interaction, difference and effects; the first heads themselves are NaN. Over measure ``co_ablation_first``.

    Raises
    ------
    UserError
        When the model has less than four heads, or no question can be asked.
    """
    count = min(settings.heads, (scores.size - 1) // (1 + SETS))
    if count < 1:
        raise UserError(
            f"the model has {scores.size} heads; expected {2 + SETS} or more: co_ablation compares sets of heads with "
            "others"
        )
    first = highest_heads(scores, count)
    generator = np.random.default_rng(np.random.SeedSequence([settings.seed, 3]))
    sets = [first, *matched_sets(first, scores.shape, generator)]
    every = [(int(layer), int(head)) for layer, head in np.ndindex(*scores.shape)]
    asked = [list(of) for of in sets] + [[head] for head in every]
    asked += [[*of, head] for of in sets for head in every if head not in of]
    ablation = WordAblation(parts, words, generator, kind=settings.instead)
    _, changes = ablation.effects(asked)
    alone = changes[len(sets) : len(sets) + len(every)]
    interactions, place = np.full((len(sets), *alone.shape), np.nan), len(sets) + len(every)
    for s, of in enumerate(sets):
        for h, head in enumerate(every):
            if head not in of:
                interactions[s, h] = changes[place] - changes[s] - alone[h]
                place += 1
    found = co_table(interactions, alone, changes[: len(sets)], scores.shape, settings.level)
    found[f"{NAME}_chosen"] = (("layer", "head"), marked(first, scores.shape))
    for name, about in ABOUT.items():
        found[name].attrs = {"long_name": about}
    found[NAME].attrs |= {"instead": settings.instead, "head_type": settings.head_type}
    return found.assign_coords(
        layer=np.arange(scores.shape[0]), head=np.arange(scores.shape[1]), measure=list(MEASURES)
    )


def matched_sets(first: Sequence[Head], shape: Sequence[int], generator: np.random.Generator) -> list[list[Head]]:
    """Return sets of other heads, as many as ``first`` each, of the same layers where there are enough, none twice.

    Parameters
    ----------
    first : sequence of (layer, head)
    shape : sequence of int
        Layers and heads of the model.
    generator : np.random.Generator
    """
    left = [(int(layer), int(head)) for layer, head in np.ndindex(*shape) if (layer, head) not in first]
    found = []
    for _ in range(SETS):
        chosen: list[Head] = []
        for layer, _ in first:
            here = [head for head in left if head[0] == layer] or left
            chosen.append(here[generator.integers(len(here))])
            left.remove(chosen[-1])
        found.append(chosen)
    return found


def co_table(interactions: Array, alone: Array, sets: Array, shape: Sequence[int], level: float) -> xr.Dataset:
    """Return means over concepts with intervals and tests.

    Parameters
    ----------
    interactions : array, shape (sets, heads, measures, concepts)
        The first set is that of the type; NaN for the heads of a set.
    alone : array, shape (heads, measures, concepts)
        Effects of heads.
    sets : array, shape (sets, measures, concepts)
        Effects of sets.
    shape : sequence of int
        Layers and heads.
    level : float
        Of the intervals.
    """
    there = np.isfinite(interactions[1:])
    control = np.where(there, interactions[1:], 0).sum(0) / np.where(there.any(0), there.sum(0), np.nan)
    difference, size = interactions[0] - control, np.abs(np.nan_to_num(alone)).max((0, 2))
    p_value = lower_p_value(difference, np.maximum(size, np.abs(np.nan_to_num(sets)).max((0, 2))))
    by_head = {"": interactions[0], "_difference": difference, "_alone": alone}
    values = {f"{NAME}_control": mean_interval(control, level)[0], f"{NAME}_p_value": p_value,
              f"{NAME}_p_adjusted": adjusted_p_values(p_value)}  # fmt: skip
    for end, of in by_head.items():
        for side, value in zip(("", "_low", "_high"), mean_interval(of, level), strict=True):
            values[f"{NAME}{end}{side}"] = value
    dims = ("layer", "head", "measure")
    found = xr.Dataset({name: (dims, value.reshape(*shape, -1)) for name, value in values.items()})
    for side, value in zip(("", "_low", "_high"), mean_interval(sets[0], level), strict=True):
        found[f"{NAME}_first{side}"] = ("measure", value)
    return found.assign({f"{NAME}_first_control": ("measure", mean_interval(sets[1:].mean(0), level)[0])})

"""Ablation of attention, MLPs and whole blocks, one at a time: how much worse words are answered without each.

Formula: the score of :mod:`~calque.models.ablations.word_scores` without the part minus with it; below 0 where the part
carries it. Control: the mean of that over the same part of all other blocks. Interval and one-sided paired test (that
the part lowers the score no more than its control): Student's over concepts, adjusted over parts and blocks (Benjamini
and Yekutieli 2001). What parts give instead, and the source: :mod:`~calque.models.ablations.instead`. Cost: one forward
pass of each question for every part. Later parts make up for what is missing, so that a small effect does not show that
a part does nothing; a large one may be of what all later parts read, rather than of the words.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from calque.models.ablations.intervals import adjusted_p_values, lower_p_value, mean_interval
from calque.models.ablations.settings import AblationSettings
from calque.models.ablations.word_scores import MEASURES, WordScores
from calque.models.reading.parts import ModelParts
from calque.models.word_ablations.word_ablation import Array, WordAblation

NAME = "part_ablation"
PARTS = {"attention": ("attention",), "mlp": ("mlp",), "block": ("attention", "mlp")}
"""What is taken away of a block, by its name."""
ABOUT = {
    NAME: "change of the score without the part",
    f"{NAME}_control": "mean change without the same part of another block",
    f"{NAME}_difference": "the change minus its control",
    f"{NAME}_p_value": "p-value that the part lowers the score no more than its control",
    f"{NAME}_p_adjusted": "this p-value adjusted over parts and blocks (Benjamini and Yekutieli 2001)",
    f"{NAME}_intact": "score of the whole model",
    f"{NAME}_questions": "questions that are asked",
}


def parts_ablated(parts: ModelParts, words: WordScores, settings: AblationSettings) -> xr.Dataset:
    """Return what taking away attention, MLP or all of each block does to the answers.

    Parameters
    ----------
    parts : ModelParts
    words : WordScores
    settings : AblationSettings

    Returns
    -------
    xarray.Dataset
        Over (part, layer, measure) ``part_ablation`` and what ``ABOUT`` names, with ``_low`` and ``_high`` of the
        change and of the difference; by concept ``part_ablation_by_concept``. In a model of one block, control,
        difference and p-values are NaN.

    Raises
    ------
    UserError
        When no question can be asked.
    """
    generator = np.random.default_rng(np.random.SeedSequence([settings.seed, 2]))
    ablation = WordAblation(parts, words, generator, kind=settings.instead)
    layers = range(len(parts.blocks))
    intact, changes = ablation.effects([[(one, layer) for one in of] for of in PARTS.values() for layer in layers])
    changes = changes.reshape(len(PARTS), len(layers), *intact.shape)
    found = part_table(changes, intact, settings.level)
    found[f"{NAME}_questions"] = ((), int(ablation.asked.sum()))
    for name, about in ABOUT.items():
        found[name].attrs = {"long_name": about}
    found[NAME].attrs["instead"] = settings.instead
    coords = {"part": list(PARTS), "layer": list(layers), "measure": list(MEASURES), "concept": list(words.concepts)}
    return found.assign_coords(coords)


def part_table(changes: Array, intact: Array, level: float) -> xr.Dataset:
    """Return means over concepts with intervals and tests.

    Parameters
    ----------
    changes : array, shape (parts, layers, measures, concepts)
        NaN where a concept is not asked.
    intact : array, shape (measures, concepts)
    level : float
        Of the intervals.
    """
    dims, count = ("part", "layer", "measure"), changes.shape[1]
    with np.errstate(invalid="ignore"):
        control = (
            (changes.sum(1, keepdims=True) - changes) / (count - 1) if count > 1 else np.full_like(changes, np.nan)
        )
    difference, size = changes - control, np.abs(np.nan_to_num(changes)).max((0, 1, 3))  # of each measure
    mean, low, high = mean_interval(changes, level)
    between, between_low, between_high = mean_interval(difference, level)
    p_value = lower_p_value(difference, size)
    values = {
        NAME: mean, f"{NAME}_low": low, f"{NAME}_high": high, f"{NAME}_control": mean_interval(control, level)[0],
        f"{NAME}_difference": between, f"{NAME}_difference_low": between_low, f"{NAME}_difference_high": between_high,
        f"{NAME}_p_value": p_value, f"{NAME}_p_adjusted": adjusted_p_values(p_value),
    }  # fmt: skip
    found = xr.Dataset({name: (dims, value) for name, value in values.items()})
    return found.assign({
        f"{NAME}_intact": ("measure", mean_interval(intact, level)[0]),
        f"{NAME}_by_concept": ((*dims, "concept"), changes.astype(np.float32)),
    })  # fmt: skip

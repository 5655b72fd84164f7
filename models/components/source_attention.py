"""Attention from where a word is answered to the word that is asked for.

Formula: at the last position of a word question, the sum of A over the tokens of the source word, where it last stands
in the prompt; from 0 to 1, without unit. Control: heads of random phases
(:mod:`~calque.models.components.random_phases`), for the word stands at much the same distance in every prompt.
Interval: Student's over concepts; half of the concepts decides, the other half measures. Source: Feucht et al. 2025
(arXiv 2504.03022); Vig and Belinkov 2019. Cost: one forward pass of each question, and the patterns of one position for
every random head. That a head attends to a word does not show that it brings the word over.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.models.components.head_settings import HeadSettings
from calque.models.components.head_statistics import against_random_heads, head_statistics
from calque.models.components.probe import Probe
from calque.models.components.random_phases import NEEDS, patterns_of_random_phases, random_phases
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import BUDGET, read
from calque.models.scoring.questions import Question, of_different_concepts
from calque.models.scoring.words import WordScorer

PROBE = Probe(
    name="source_attention", about="attention from the answer's position to the source word",
    control="the head with random phases", units="1", kind="proportion", source="Feucht et al. 2025",
)  # fmt: skip


def source_places(item: Question) -> list[int]:
    """Return the positions of the source word's tokens in the prompt of an ``item``, its last ones; none if not found.

    The first token may differ, as it does where a space is part of it.
    """
    word, prompt = item.sources[0], item.prompt
    for start in range(len(prompt) - len(word), -1, -1):
        if prompt[start : start + len(word)] == word:
            return list(range(start, start + len(word)))
    rest = word[1:]
    for start in range(len(prompt) - len(rest), 0, -1):
        if rest and prompt[start : start + len(rest)] == rest:
            return list(range(start - 1, start + len(rest)))
    return []


def asked_words(scorer: WordScorer, most: int, generator: np.random.Generator) -> list[Question]:
    """Return word questions whose source word is found in the prompt, at most so many, of different concepts first.

    Parameters
    ----------
    scorer : WordScorer
    most : int
    generator : np.random.Generator

    Raises
    ------
    UserError
        When they are of less than four concepts.
    """
    found = [item for item in scorer.items if item.place[0] != item.place[1] and source_places(item)]
    chosen = of_different_concepts(found, most, generator)
    concepts = len({item.place[2] for item in chosen})
    if concepts < 4:
        raise UserError(
            f"`probes` has source_attention, and the source word is found in the prompts "
            f"of {plural(concepts, 'concept')}; "
            "expected 4 or more: leave it out, or ask more words"
        )
    return chosen


def source_attention(
    parts: ModelParts, scorer: WordScorer, settings: HeadSettings, *, budget: int = BUDGET
) -> xr.Dataset:
    """Return the score of every head, as ``calque.models.components.heads.probe_heads`` returns its tables.

    Parameters
    ----------
    parts : ModelParts
    scorer : WordScorer
        Its word questions are asked, twice ``settings.prompts`` at most.
    settings : HeadSettings
    budget : int
        Bytes that a batch of prompts may take.

    Raises
    ------
    UserError
        When the source words are not found in the prompts.
    """
    words, phases = (np.random.default_rng(s) for s in np.random.SeedSequence([settings.seed, 4]).spawn(2))
    items = asked_words(scorer, 2 * settings.prompts, words)
    concepts = sorted({item.place[2] for item in items})
    deciding = set(concepts[::2])
    parted = [[i for i in items if (i.place[2] in deciding) == side] for side in (True, False)]
    turned = random_phases(parts, settings.draws, phases)
    shape = (len(parts.blocks), len(parted[0]), parts.heads)
    random = np.empty((settings.draws, *shape))
    scores = [np.empty((shape[0], len(side), shape[2])) for side in parted]
    for side, of in enumerate(parted):
        needs, places = ("patterns", *NEEDS) if side == 0 else ("patterns",), [source_places(item) for item in of]
        prompts = [item.prompt for item in of]
        for reading in read(parts, prompts, needs, positions=[[-1]] * len(of), budget=budget):
            assert reading.patterns is not None
            scores[side][:, reading.prompts] = _summed(reading.patterns, [places[i] for i in reading.prompts])
            for draw, patterns in enumerate(patterns_of_random_phases(parts, reading, turned) if side == 0 else ()):
                random[draw][:, reading.prompts] = _summed(patterns, [places[i] for i in reading.prompts])
    clusters = [[item.place[2] for item in of] for of in parted]
    judged = against_random_heads(scores[0], random, clusters[0], level=settings.level)
    found = head_statistics(scores[1], scores[1], clusters[1], level=settings.level)
    return judged.assign({"deciding": judged["score"], **{name: found[name] for name in ("score", "low", "high")}})


def _summed(patterns: Tensor, places: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return the sum of patterns (layers, prompts, heads, 1, length) over the places of each prompt."""
    plain = np.asarray(patterns.double().cpu())
    return np.stack([plain[:, i, :, 0, list(at)].sum(0) for i, at in enumerate(places)], 1)

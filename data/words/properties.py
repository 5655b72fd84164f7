"""Properties of the words in questions that no model is needed for: frequency, script, similarity.

``phases acquisition`` regresses on these; ``docs/CUBE.md`` lists the variables.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from calque.data.tasks import WordTask
from calque.data.tokens.encoding import Encoding
from calque.data.words.overlap import NONE, overlap_table
from calque.data.words.pairs import nearest_form
from calque.data.words.words import normalise

Variable = tuple[tuple[str, ...], NDArray[np.generic]]
"""Dimensions and values."""


def item_properties(task: WordTask, encoding: Encoding) -> dict[str, Variable]:
    """Return the cube's variables about the words of ``task`` under ``encoding``.

    Returns
    -------
    dict of str to (dimensions, array)
        ``overlap`` and ``edit_similarity`` (source, target, concept); ``exposure`` with the same dimensions,
        ``zipf_frequency`` (language, concept) and ``script`` (language) where the task knows them.
    """
    items = ("source", "target", "concept")
    found: dict[str, Variable] = {"overlap": (items, overlap(task, encoding))}
    found["edit_similarity"] = items, edit_similarity(task)
    if task.exposure is not None:
        found["exposure"] = items, task.exposure
    if task.zipf is not None:
        found["zipf_frequency"] = ("language", "concept"), task.zipf.astype(np.float32)
    if task.scripts:
        found["script"] = ("language",), np.array([task.scripts[code] for code in task.languages])
    return found


def overlap(task: WordTask, encoding: Encoding) -> NDArray[np.int8]:
    """Return the overlap of each source word of ``task`` with the target's forms under ``encoding``.

    Where languages have blocks of tokens, two of them share none, whatever the words.

    Returns
    -------
    array of int8, shape (L, L, C)
        -1 where a language lacks the concept.
    """
    table = overlap_table(encoding.tokenizer, task)
    if encoding.blocks:
        between = ~np.eye(len(task.languages), dtype=bool)[:, :, None]
        table[between & (table > NONE)] = NONE
    return table


def edit_similarity(task: WordTask) -> NDArray[np.float32]:
    """Return the similarity in ``task`` of each source word and the nearest accepted form of the target language.

    1 - d / n with d the Levenshtein distance in characters and n the length of the longer word, both as
    ``calque.data.words.words.normalise`` gives them: 1 for the same word, 0 where no character is in place. The
    source word is the headword, which the prompt shows.

    Returns
    -------
    array of float32, shape (L, L, C)
        NaN where a language lacks the concept.
    """
    bare = {form: normalise(form) for forms in task.forms.values() for form in forms}
    alike = nearest_form(task, lambda word, form: Levenshtein.normalized_similarity(bare[word], bare[form]))
    return alike.astype(np.float32)

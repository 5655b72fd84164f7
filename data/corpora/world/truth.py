"""The truth of a simulated world: which words are shared, and which pairs its text teaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.data.corpora.world.drawn import DrawnWorld
from calque.data.corpora.world.grammar import grammar
from calque.data.corpora.world.lexicon import string_ids


@dataclass(frozen=True, kw_only=True)
class WorldTruth:
    """What was drawn. L languages, C concepts; the first language axis is the source.

    Attributes
    ----------
    exposure : array of int8, shape (L, L, C)
        1 where glossaries pair these two strings (in any direction of languages that uses the same two
        strings in this order), 0 where none does, -1 where nothing is asked: source = target, or a language
        without a share.
    cognate : array of bool, shape (L, L, C)
        Whether the two languages' words are the same string.
    shares_syllable : array of bool, shape (L, L, C)
        Whether the two words have a syllable in common (so do cognates).
    frequency : array of float64, shape (C,)
        Frequencies of the concepts before topics and companions; they sum to 1.
    held_concepts : array of bool, shape (C,)
        Concepts that no glossary holds.
    grammars : tuple of (str, bool)
        A language's word order, and whether its adjectives follow the noun.
    names : tuple of str
        The pool of names.
    held_out_items, held_out_pairs, held_out_disjoint_pairs : int
        Items with exposure 0 and different words; distinct string pairs among them; and those of the distinct
        pairs that share no syllable.
    """

    exposure: NDArray[np.int8]
    cognate: NDArray[np.bool_]
    shares_syllable: NDArray[np.bool_]
    frequency: NDArray[np.float64]
    held_concepts: NDArray[np.bool_]
    grammars: tuple[tuple[str, bool], ...]
    names: tuple[str, ...]
    held_out_items: int
    held_out_pairs: int
    held_out_disjoint_pairs: int


def truth_of(drawn: DrawnWorld) -> WorldTruth:
    """Return what was drawn, to judge a model and the statistics by."""
    lexicon, strings = drawn.lexicon, string_ids(drawn.lexicon.forms)
    pairs = strings[:, None] * (1 << 20) + strings[None, :]
    taught = np.zeros_like(lexicon.trained)
    both = np.ix_(drawn.active, drawn.active)
    if drawn.config.glossary_share > 0:
        taught[both] = lexicon.trained[both]
    exposure = np.full(pairs.shape, -1, np.int8)
    exposure[both] = np.isin(pairs[both], pairs[taught])
    exposure[np.eye(len(strings), dtype=bool)] = -1
    cognate = strings[:, None] == strings[None, :]
    shares_syllable = (lexicon.forms[:, None] == lexicon.forms[None, :]).any(axis=-1)
    held_out = (exposure == 0) & ~cognate
    return WorldTruth(
        exposure=exposure,
        cognate=cognate,
        shares_syllable=shares_syllable,
        frequency=drawn.grammar.frequency,
        held_concepts=lexicon.held_concepts,
        grammars=tuple(grammar(i) for i in range(len(drawn.vocabulary.codes))),
        names=tuple(map(drawn.vocabulary.word, lexicon.names)),
        held_out_items=int(held_out.sum()),
        held_out_pairs=len(np.unique(pairs[held_out])),
        held_out_disjoint_pairs=len(np.unique(pairs[held_out & ~shares_syllable])),
    )

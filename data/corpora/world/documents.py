"""The text of a simulated world: documents of a language, glossaries, and which of them are held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calque.data.corpora.world.config import MAX_DOCUMENT_TOKENS
from calque.data.corpora.world.drawn import DrawnWorld
from calque.data.corpora.world.grammar import ABSENT, draw
from calque.data.corpora.world.lexicon import Vocabulary

BLOCK_DOCUMENTS, HELD_OUT_BITS = 4096, 3
FREQUENCY_EXPONENT = 0.75


def texts(drawn: DrawnWorld, code: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw documents in language ``code`` of ``drawn`` with ``rng``, shape (documents, longest), ``ABSENT`` as pad."""
    config, n, language = drawn.config, BLOCK_DOCUMENTS, drawn.vocabulary.codes.index(code)
    topic = rng.integers(0, config.topics, n)
    if config.recurring_names:
        names = [drawn.lexicon.names[rng.integers(0, config.names, n)]] * config.sentences
    else:
        names = different_names(drawn, n, config.sentences, rng)
    columns = [np.tile([Vocabulary.BOS, Vocabulary.TAG + language], (n, 1))]
    for sentence, name in enumerate(names):
        latent = drawn.grammar.latent(topic, rng)
        switched = rng.random((5, n)) < config.code_switch
        switch = np.where(switched, rng.choice(drawn.active, (5, n)), language)
        named = rng.random(n) < config.name_rate
        rendered = drawn.grammar.render(language, latent, switch=switch, name=name, named=named)
        if sentence:
            rendered = np.where((rng.random(n) < config.repeat_rate)[:, None], columns[-1], rendered)
        columns.append(rendered)
    return np.concatenate(columns, axis=1)


def glossaries(drawn: DrawnWorld, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw glossary documents of ``drawn`` with ``rng``, shape (documents, 1 + 7 x entries)."""
    config, n, lexicon = drawn.config, BLOCK_DOCUMENTS, drawn.lexicon
    count = len(drawn.vocabulary.codes)
    directions = np.array([(i, j) for i in drawn.active for j in drawn.active if i != j])
    source, target = directions[rng.integers(0, len(directions), n)].T
    weight = lexicon.trained.reshape(count**2, -1) * drawn.grammar.frequency**FREQUENCY_EXPONENT
    total = weight.sum(axis=1, keepdims=True)
    cumulative = np.cumsum(weight / np.where(total > 0, total, 1), axis=1)
    names_only = total[source * count + target, 0] == 0
    columns = [np.full((n, 1), Vocabulary.BOS)]
    others = [] if config.recurring_names else different_names(drawn, n, 2 * config.glossary_entries, rng)
    for _ in range(config.glossary_entries):
        concept = draw(cumulative, source * count + target, rng)
        named = ((rng.random(n) < config.glossary_name_rate) | names_only)[:, None]
        if config.recurring_names:
            name = translation = lexicon.names[rng.integers(0, config.names, n)]
        else:
            name, translation = others.pop(), others.pop()
        columns += [
            Vocabulary.TAG + source[:, None],
            np.where(named, name, lexicon.forms[source, concept]),
            Vocabulary.TAG + target[:, None],
            np.where(named, translation, lexicon.forms[target, concept]),
            np.full((n, 1), Vocabulary.DOT),
        ]
    return np.concatenate(columns, axis=1)


def different_names(drawn: DrawnWorld, documents: int, count: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Draw ``count`` names for each of ``documents``, none twice in one; arrays of shape (documents, 2).

    Parameters
    ----------
    drawn : DrawnWorld
    documents, count : int
    rng : numpy.random.Generator
    """
    chosen = rng.random((documents, drawn.config.names)).argpartition(count - 1, axis=1)[:, :count]
    return list(drawn.lexicon.names[rng.permuted(chosen, axis=1).T])


def held_out(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which documents of ``rows`` are held out, shape (documents,): one in eight, by a hash of the tokens.

    The same document always falls on the same side, so no document is in both splits.
    """
    present = rows != ABSENT
    place = np.cumsum(present, axis=1) - 1
    keys = np.random.default_rng(0).integers(0, 1 << 63, MAX_DOCUMENT_TOKENS, dtype=np.uint64)
    mixed = np.where(present, (rows + 1).astype(np.uint64) * keys[place], np.uint64(0)).sum(axis=1)
    held: NDArray[np.bool_] = (mixed >> np.uint64(64 - HELD_OUT_BITS)) == 0
    return held

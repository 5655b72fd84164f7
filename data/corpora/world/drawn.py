"""What of a simulated world is drawn once: its words and their frequencies, and which languages have a share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.grammar import Grammar
from calque.data.corpora.world.lexicon import Lexicon, Vocabulary, draw_lexicon
from calque.data.errors import UserError, nearest


@dataclass(frozen=True, kw_only=True)
class DrawnWorld:
    """A world before its text.

    Attributes
    ----------
    config : WorldConfig
    vocabulary : Vocabulary
    shares : dict of str to float
        Of every language; they sum to 1.
    active : array of int64
        Indices of the languages with a share.
    lexicon : Lexicon
    grammar : Grammar
    frames : numpy.random.SeedSequence
        Of the sentences that minimal pairs are made of.
    """

    config: WorldConfig
    vocabulary: Vocabulary
    shares: dict[str, float]
    active: NDArray[np.int64]
    lexicon: Lexicon
    grammar: Grammar
    frames: np.random.SeedSequence


def draw_world(config: WorldConfig, shares: Mapping[str, float] | None) -> DrawnWorld:
    """Draw the world of a configuration.

    Parameters
    ----------
    config : WorldConfig
        Sizes, rates and the world's seed.
    shares : mapping of str to float, optional
        Share of each language; uniform when None.

    Returns
    -------
    DrawnWorld
        Vocabulary, lexicon, grammar and shares.

    Raises
    ------
    UserError
        When the shares name an unknown language or leave fewer than two languages for the glossaries.
    """
    vocabulary = Vocabulary(config.languages, config.syllables)
    whole = _whole(config, vocabulary.codes, shares)
    active = np.flatnonzero([whole[code] > 0 for code in vocabulary.codes])
    if config.glossary_share > 0 and len(active) < 2:
        raise UserError(
            f"world: only {vocabulary.codes[active[0]]} has a share, so glossaries have nothing to "
            "pair; expected two languages or more, or glossary_share: 0"
        )
    words, tables, frames, shuffle = np.random.SeedSequence(config.world_seed).spawn(4)
    lexicon = draw_lexicon(
        vocabulary,
        np.random.default_rng(words),
        concepts=config.concepts,
        names=config.names,
        nonce=config.nonce,
        cognate_rate=config.cognate_rate,
        held_concepts=config.held_concepts,
        coverage=config.coverage,
    )
    grammar = Grammar(
        vocabulary,
        lexicon,
        nouns=config.nouns,
        verbs=config.verbs,
        adjectives=config.adjectives,
        topics=config.topics,
        zipf=config.zipf,
        rng=np.random.default_rng(tables),
        shuffle=np.random.default_rng(shuffle) if config.shuffled else None,
    )
    return DrawnWorld(
        config=config, vocabulary=vocabulary, shares=whole, active=active, lexicon=lexicon, grammar=grammar,
        frames=frames,
    )  # fmt: skip


def _whole(config: WorldConfig, codes: tuple[str, ...], shares: Mapping[str, float] | None) -> dict[str, float]:
    shares = {code: 1 / config.languages for code in codes} if shares is None else shares
    for code in shares:
        if code not in codes:
            known, guess = ", ".join(codes), nearest(code, codes)
            raise UserError(f"world: unknown language '{code}'; expected one of {known}{guess}")
    whole = {code: float(shares.get(code, 0)) for code in codes}
    total = sum(whole.values())
    if min(whole.values()) < 0 or not np.isclose(total, 1, rtol=1e-6):
        raise UserError(f"world: the shares sum to {total:g}; expected non-negative shares that sum to 1")
    return whole

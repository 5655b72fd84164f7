"""Questions about a simulated world: words in glossary entries, and minimal pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calque.data.corpora.world.drawn import DrawnWorld
from calque.data.corpora.world.grammar import ABSENT
from calque.data.corpora.world.lexicon import Vocabulary
from calque.data.corpora.world.truth import WorldTruth
from calque.data.tasks import MinimalPair, Segment, WordTask

GLOSSARY = "glossary"
FRAMES = 30


def word_task(drawn: DrawnWorld, truth: WorldTruth) -> WordTask:
    """Return the word questions of the world ``drawn`` with ``truth``: concepts in all languages, nonce words."""
    languages = drawn.vocabulary.codes
    word, config = drawn.vocabulary.word, drawn.config
    classes = (("noun", config.nouns), ("verb", config.verbs), ("adjective", config.adjectives))
    concepts = tuple(f"{kind}{i + 1:02d}" for kind, count in classes for i in range(count))
    nonce = tuple(map(word, drawn.lexicon.nonce))
    return WordTask(
        languages=languages,
        concepts=concepts,
        forms={
            (code, concept): (word(drawn.lexicon.forms[i, k]),)
            for i, code in enumerate(languages)
            for k, concept in enumerate(concepts)
        },
        nonce={code: nonce[i :: len(languages)] for i, code in enumerate(languages)},
        prompt=GlossaryPrompt(),
        stop=".",
        template=GLOSSARY,
        exposure=truth.exposure,
        zipf=np.tile(np.log10(1e9 * truth.frequency), (len(languages), 1)),
    )


def minimal_pairs(drawn: DrawnWorld) -> tuple[MinimalPair, ...]:
    """Return pairs in the world ``drawn`` on agreement (the verb's number) and word order (the adjective's side).

    Every language says the same latent sentences; a cluster is one of them.
    """
    rng = np.random.default_rng(drawn.frames)
    frames = drawn.grammar.latent(rng.integers(0, drawn.config.topics, FRAMES), rng)
    frames.subject_described[:] = True
    pairs = []
    for i, code in enumerate(drawn.vocabulary.codes):
        good = tagged_lines(drawn, i, drawn.grammar.render(i, frames))
        bad = {
            "agreement": tagged_lines(drawn, i, drawn.grammar.render(i, frames, break_agreement=True)),
            "word_order": tagged_lines(drawn, i, drawn.grammar.render(i, frames, break_order=True)),
        }
        pairs += [
            MinimalPair(
                language=code,
                phenomenon=phenomenon,
                good=good[k],
                bad=texts[k],
                cluster=f"frame{k + 1:02d}",
            )
            for phenomenon, texts in bad.items()
            for k in range(FRAMES)
        ]
    return tuple(pairs)


def tagged_lines(drawn: DrawnWorld, language: int, rows: NDArray[np.int64]) -> list[str]:
    """Return sentences of a language as text, each with the language's tag.

    Parameters
    ----------
    drawn : DrawnWorld
        The world.
    language : int
        Index of the language.
    rows : array of int, shape (n, places)
        Token ids of the sentences; ``ABSENT`` where a sentence has no token.

    Returns
    -------
    list of str
        Sentences.
    """
    tag = Vocabulary.TAG + language
    return [drawn.vocabulary.text(np.concatenate([[tag], row[row != ABSENT]])) for row in rows]


class GlossaryPrompt:
    """The beginning of a glossary entry, up to the answer."""

    def __call__(self, source: str, target: str, word: str, concept: str | None) -> str:
        """Return the text before the answer."""
        return f"<{source}> {word} <{target}>"

    def segments(self, source: str, target: str, word: str, concept: str | None) -> tuple[Segment, ...]:
        """Return the prompt in pieces, each with its language.

        Parameters
        ----------
        source : str
            Code of the source language.
        target : str
            Code of the target language.
        word : str
            The source word.
        concept : str or None
            Not used: a glossary has no examples.

        Returns
        -------
        tuple of Segment
            Code of the language and text, in order.
        """
        return self.in_context(source, target, (), word)

    def in_context(self, source: str, target: str, lines: Sequence[tuple[str, str]], word: str) -> tuple[Segment, ...]:
        """Return the question for ``word``, from ``source`` to ``target``, after ``lines`` of a glossary."""
        pieces: list[Segment] = []
        for said, answer in lines:
            pieces += [(source, f"<{source}> {said} "), (target, f"<{target}> {answer} . ")]
        return *pieces, (source, f"<{source}> {word}"), (target, f" <{target}>")

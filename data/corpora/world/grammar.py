"""The simulated world's sentences: one latent process for all languages, each rendered in its own grammar."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calque.data.corpora.world.lexicon import Lexicon, Vocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ABSENT = -1
LATENT_DIMENSIONS, SHARPNESS, ADJECTIVE_RATE = 8, 1.5, 0.4
GRAMMARS: tuple[tuple[str, bool], ...] = (
    ("SVO", False), ("SOV", True), ("VSO", False), ("SVO", True), ("SOV", False), ("VSO", True),
)  # fmt: skip
"""Word order, and whether the adjective follows its noun; the languages take them in turn."""


def grammar(language: int) -> tuple[str, bool]:
    """Return the word order of the language with this index, and whether its adjectives follow the noun."""
    return GRAMMARS[language % len(GRAMMARS)]


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """Latent sentences, before any language: arrays of shape (n,).

    ``plural`` is 0 or 1; an adjective is drawn for every noun, and appears where ``*_described``.
    """

    subject: Ints
    verb: Ints
    object: Ints
    subject_adjective: Ints
    object_adjective: Ints
    subject_described: Bools
    object_described: Bools
    subject_plural: Ints
    object_plural: Ints


def draw(cumulative: Floats, row: NDArray[np.integer], rng: np.random.Generator) -> Ints:
    """Draw one column for each row index from a table of cumulative probabilities.

    Parameters
    ----------
    cumulative : array, shape (rows, columns)
        Cumulative probabilities, increasing along a row.
    row : array of int, shape (n,)
        Rows of the table.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    array of int, shape (n,)
        Columns.
    """
    below = cumulative[row] < rng.random(len(row))[:, None]
    column: Ints = below.sum(axis=1).clip(0, cumulative.shape[1] - 1)
    return column


def _zipf(count: int, exponent: float, rng: np.random.Generator) -> Floats:
    weight: Floats = 1 / np.arange(1, count + 1) ** exponent
    weight /= weight.sum()
    return weight[rng.permutation(count)]


def _reordered(forms: Ints, classes: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """Return the words of shape (languages, concepts, 2), each language's but the first reordered in each class."""
    reordered = forms.copy()
    for language in range(1, len(forms)):
        first = 0
        for count in classes:
            reordered[language, first : first + count] = forms[language, first + rng.permutation(count)]
            first += count
    return reordered


class Grammar:
    """Draws latent sentences and renders them in a language.

    Topics weight subjects, subjects their verbs and adjectives, verbs their objects: exponentials of inner products
    of random vectors, times Zipfian frequencies. Concepts are numbered nouns, then verbs, then adjectives.

    Parameters
    ----------
    vocabulary, lexicon
        Tokens and words.
    nouns, verbs, adjectives, topics : int
    zipf : float
        Exponent of the frequencies within each class.
    rng : numpy.random.Generator
        Draws the tables.
    shuffle : numpy.random.Generator, optional
        Permutes the words of each language except the first within each class; by default no word is moved.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        lexicon: Lexicon,
        *,
        nouns: int,
        verbs: int,
        adjectives: int,
        topics: int,
        zipf: float,
        rng: np.random.Generator,
        shuffle: np.random.Generator | None = None,
    ) -> None:
        self.vocabulary, self.forms = vocabulary, lexicon.forms
        if shuffle is not None:
            self.forms = _reordered(lexicon.forms, (nouns, verbs, adjectives), shuffle)
        self.first_verb, self.first_adjective, self.topics = nouns, nouns + verbs, topics

        def vectors(count: int) -> Floats:
            return rng.normal(scale=2 / np.sqrt(LATENT_DIMENSIONS), size=(count, LATENT_DIMENSIONS))

        noun, verb, verb_object, adjective, topic = map(vectors, (nouns, verbs, verbs, adjectives, topics))
        noun_frequency, verb_frequency, adjective_frequency = (
            _zipf(count, zipf, rng) for count in (nouns, verbs, adjectives)
        )

        def table(given: Floats, chosen: Floats, frequency: Floats) -> Floats:
            weight = np.exp(SHARPNESS * given @ chosen.T) * frequency
            return np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)

        self.subjects = table(topic, noun, noun_frequency)
        self.verbs = table(noun, verb, verb_frequency)
        self.objects = table(verb_object, noun, noun_frequency)
        self.adjectives = table(noun, adjective, adjective_frequency)
        self.frequency = np.concatenate([noun_frequency, verb_frequency, adjective_frequency]) / 3

    def latent(self, topic: NDArray[np.integer], rng: np.random.Generator) -> Sentences:
        """Draw one latent sentence for each topic."""
        n = len(topic)
        subject = draw(self.subjects, topic, rng)
        verb = draw(self.verbs, subject, rng)
        obj = draw(self.objects, verb, rng)
        return Sentences(
            subject=subject,
            verb=verb,
            object=obj,
            subject_adjective=draw(self.adjectives, subject, rng),
            object_adjective=draw(self.adjectives, obj, rng),
            subject_described=rng.random(n) < ADJECTIVE_RATE,
            object_described=rng.random(n) < ADJECTIVE_RATE,
            subject_plural=rng.integers(0, 2, n),
            object_plural=rng.integers(0, 2, n),
        )

    def render(
        self,
        language: int,
        sentences: Sentences,
        *,
        switch: NDArray[np.integer] | None = None,
        name: NDArray[np.integer] | None = None,
        named: Bools | None = None,
        break_agreement: bool = False,
        break_order: bool = False,
    ) -> Ints:
        """Render latent sentences in a language.

        Parameters
        ----------
        language : int
            Index of the language.
        sentences : Sentences
            n of them.
        switch : array, shape (5, n), optional
            Language of subject, subject's adjective, verb, object, object's adjective; the sentence's own if
            absent.
        name, named : arrays, shapes (n, 2) and (n,), optional
            A name that replaces the subject where ``named``; it is singular and not described.
        break_agreement, break_order : bool
            Give the verb the wrong number; put adjectives on the wrong side.

        Returns
        -------
        array of int64, shape (n, 14)
            Token ids, ``ABSENT`` where a sentence has no adjective; the last is the full stop.
        """
        n, marker = len(sentences.subject), self.vocabulary.marker + 4 * language
        order, adjective_last = grammar(language)
        adjective_last ^= break_order
        switch = np.full((5, n), language) if switch is None else switch
        if name is not None and named is not None:
            sentences = replace(
                sentences,
                subject_described=sentences.subject_described & ~named,
                subject_plural=np.where(named, 0, sentences.subject_plural),
            )

        def phrase(noun: Ints, number: Ints, adjective: Ints, described: Bools) -> Ints:
            adjective = np.where(described[:, None], adjective, ABSENT)
            noun = np.concatenate([noun, (marker + number)[:, None]], axis=1)
            return np.concatenate([noun, adjective] if adjective_last else [adjective, noun], axis=1)

        noun = self.forms[switch[0], sentences.subject]
        if name is not None and named is not None:
            noun = np.where(named[:, None], name, noun)
        adjective = self.forms[switch[1], self.first_adjective + sentences.subject_adjective]
        subject = phrase(noun, sentences.subject_plural, adjective, sentences.subject_described)
        noun = self.forms[switch[3], sentences.object]
        adjective = self.forms[switch[4], self.first_adjective + sentences.object_adjective]
        obj = phrase(noun, sentences.object_plural, adjective, sentences.object_described)
        agreement = sentences.subject_plural ^ int(break_agreement)
        verb = self.forms[switch[2], self.first_verb + sentences.verb]
        verb = np.concatenate([verb, (marker + 2 + agreement)[:, None]], axis=1)
        parts = {"S": subject, "V": verb, "O": obj}
        stop = np.full((n, 1), self.vocabulary.DOT)
        return np.concatenate([parts[part] for part in order] + [stop], axis=1)

"""The reviewed word list: concepts in nine languages, their accepted forms, and questions about them."""

from __future__ import annotations

import csv
import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.data.languages import LANGUAGES, language
from calque.data.tasks import Segment, WordTask
from calque.data.words.templates import DEFAULT, Template, template

DOTTED_I = "i\N{COMBINING DOT ABOVE}"


@dataclass(frozen=True, kw_only=True)
class Words:
    """Concepts, how each language says them, and words that no language has.

    Attributes
    ----------
    languages : tuple of str
        Codes.
    concepts : tuple of str
        CLDR's English names, in the order of their hashes: the first N are a sample of all kinds.
    forms : mapping of (language, concept) to tuple of str
        Accepted forms in NFC, the headword first.
    nonce : mapping of language to tuple of str
        Invented words, pronounceable in the language.
    """

    languages: tuple[str, ...]
    concepts: tuple[str, ...]
    forms: Mapping[tuple[str, str], tuple[str, ...]]
    nonce: Mapping[str, tuple[str, ...]]

    def headword(self, code: str, concept: str) -> str:
        """Return the word for ``concept`` in the language ``code`` that questions use."""
        return self.forms[code, concept][0]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A template's question, such as ``Deutsch: "Hund" - Suomi: "``, after complete lines of the same kind.

    Attributes
    ----------
    words : Words
    template : Template
    examples : tuple of str
        Concepts that may be shown, in their order; the concept of the question is skipped.
    shots : int
        How many are shown.
    """

    words: Words
    template: Template
    examples: tuple[str, ...]
    shots: int

    def __call__(self, source: str, target: str, word: str, concept: str | None) -> str:
        """Return the text before the answer; ``concept`` is None for an invented word."""
        return "".join(text for _, text in self.segments(source, target, word, concept))

    def segments(self, source: str, target: str, word: str, concept: str | None) -> tuple[Segment, ...]:
        """Return the prompt in pieces with their languages: source words in the source's, all else in the target's.

        Parameters
        ----------
        source : str
            Code of the source language.
        target : str
            Code of the target language.
        word : str
            The source word.
        concept : str or None
            The concept asked for, which is not among the examples.

        Returns
        -------
        tuple of Segment
            Code of the language and text, in order.
        """
        shown = islice((one for one in self.examples if one != concept), self.shots)
        lines = [(self.words.headword(source, one), self.words.headword(target, one)) for one in shown]
        return self.in_context(source, target, lines, word)

    def in_context(self, source: str, target: str, lines: Sequence[tuple[str, str]], word: str) -> tuple[Segment, ...]:
        """Return the question for ``word``, from ``source`` to ``target``, after other ``lines`` than its own."""
        pieces = [piece for line in lines for piece in self.template.line(source, target, *line)]
        return *pieces, *self.template.question(source, target, word)


def normalise(word: str) -> str:
    """Return ``word`` as it is compared: NFC, case folded, runs of white space one space, none outside.

    Of the Turkish letters, dotted capital and dotless small I fold to i: whether a word begins a sentence never
    matters. Nothing else is folded: accents, ё, kana and width are what the accepted forms say.
    """
    folded = unicodedata.normalize("NFC", word).casefold().replace(DOTTED_I, "i").replace("ı", "i")
    return " ".join(unicodedata.normalize("NFC", folded).split())


def words(languages: tuple[str, ...] = tuple(LANGUAGES)) -> Words:
    """Return the list restricted to ``languages``.

    Raises
    ------
    UserError
        When a code is unknown.
    """
    codes = tuple(language(code).code for code in languages)
    whole = _whole()
    return Words(
        languages=codes,
        concepts=whole.concepts,
        forms={(code, concept): whole.forms[code, concept] for code in codes for concept in whole.concepts},
        nonce={code: whole.nonce[code] for code in codes},
    )


def word_task(
    languages: tuple[str, ...] = tuple(LANGUAGES), shots: int = 2, shot_seed: int = 0, wording: str = DEFAULT
) -> WordTask:
    """Return the questions of the list.

    Parameters
    ----------
    languages : tuple of str
        Codes.
    shots : int
        Complete lines before the question. They show the same concepts in every question and every pair of
        languages, none of them the concept asked, and only concepts whose nine headwords all differ: a line
        that repeats its word would teach copying.
    shot_seed : int
        Chooses the concepts shown.
    wording : str
        Name of the template.

    Raises
    ------
    UserError
        When a code or template is unknown, or ``shots`` is negative or larger than the list allows.
    """
    chosen = words(languages)
    return task_of(chosen, _examples(), shots, shot_seed, wording, zipf_frequency(chosen))


def task_of(
    chosen: Words, examples: tuple[str, ...], shots: int, shot_seed: int, wording: str, zipf: NDArray[np.float64]
) -> WordTask:
    """Return the questions of any list.

    Parameters
    ----------
    chosen : Words
    examples : tuple of str
        Concepts that complete lines before the question may show.
    shots, shot_seed, wording
        As in :func:`word_task`.
    zipf : array of float64, shape (languages, concepts)
        How common the headwords are, log10 of uses per billion words.

    Raises
    ------
    UserError
        When a template is unknown, or ``shots`` is negative or larger than the list allows.
    """
    asked = template(wording)
    if not 0 <= shots < len(examples):
        raise UserError(f"shots is {shots}; expected 0 to {len(examples) - 1}")
    if shot_seed < 0:
        raise UserError(f"shot_seed is {shot_seed}; expected 0 or more")
    order = np.random.default_rng(shot_seed).permutation(len(examples))
    return WordTask(
        languages=chosen.languages,
        concepts=chosen.concepts,
        forms=chosen.forms,
        nonce=chosen.nonce,
        prompt=Prompt(words=chosen, template=asked, examples=tuple(examples[i] for i in order), shots=shots),
        stop=asked.stop,
        template=asked.name,
        zipf=zipf,
        scripts={code: language(code).script for code in chosen.languages},
    )


def zipf_frequency(chosen: Words) -> NDArray[np.float64]:
    """Return the frequency of the headwords of ``chosen`` in each language, shape (languages, concepts).

    On the Zipf scale, log10 of uses per billion words (wordfreq 3.1.1); NaN for words rarer than its lists go.
    """
    table = {row["concept"]: row for row in lexicon_rows("frequency.tsv")}
    return np.array(
        [[float(table[concept][code] or "nan") for concept in chosen.concepts] for code in chosen.languages]
    )


@cache
def _whole() -> Words:
    rows = lexicon_rows("words.tsv")
    nonce: dict[str, list[str]] = {code: [] for code in LANGUAGES}
    for row in lexicon_rows("nonce.tsv"):
        nonce[row["language"]].append(unicodedata.normalize("NFC", row["word"]))
    concepts = sorted((row["concept"] for row in rows), key=lambda name: hashlib.sha256(name.encode()).digest())
    forms = {
        (code, row["concept"]): tuple(unicodedata.normalize("NFC", row[code]).split("|"))
        for row in rows
        for code in LANGUAGES
    }
    return Words(
        languages=tuple(LANGUAGES),
        concepts=tuple(concepts),
        forms=forms,
        nonce={code: tuple(found) for code, found in nonce.items()},
    )


@cache
def _examples() -> tuple[str, ...]:
    whole = _whole()
    return tuple(
        concept
        for concept in whole.concepts
        if len({normalise(whole.headword(code, concept)) for code in LANGUAGES}) == len(LANGUAGES)
    )


def lexicon_rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a table in ``data/lexicon``, by column name."""
    table = files("calque.data.lexicon").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))

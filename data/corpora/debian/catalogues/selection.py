"""Which words are asked in a set of languages, and why the others are not: every dropped word has one reason."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from calque.data.corpora.debian.catalogues.agreement import AGREEING, COVERED
from calque.data.corpora.debian.catalogues.lexicon import CatalogueLexicon, LexiconWord
from calque.data.words.words import lexicon_rows, normalise

REVIEWED = "catalogue_dropped.tsv"
FEW = "fewer than three packages translate it in one of the languages"
DISAGREE = "no form that three packages give in one of the languages"
ABBREVIATION = "an abbreviation: entries spell it in capitals"
PARTS = "several parts of speech: contexts name more than one"
SENSES = "several senses: accepted forms have less than two thirds of a language's votes"
SAME_WORD = "its word is an accepted form of a concept with more votes"
REVIEW = "reviewed: "


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The concepts of a set of languages.

    Attributes
    ----------
    languages : tuple of str
    concepts : tuple of str
        In the order of their hashes: the first N are a sample of all kinds.
    forms : mapping of (str, str) to tuple of str
        Accepted forms by language and concept, the headword first.
    held_out : frozenset of str
        Concepts whose entries no training text has.
    dropped : mapping of str to str
        Reason by word, for every English word that some entry in one of the languages has.
    """

    languages: tuple[str, ...]
    concepts: tuple[str, ...]
    forms: Mapping[tuple[str, str], tuple[str, ...]]
    held_out: frozenset[str]
    dropped: Mapping[str, str]

    def dropped_counts(self) -> dict[str, int]:
        """Return how many words were dropped for each reason, in the order in which reasons are tried."""
        counts = Counter(self.dropped.values())
        reviewed = sorted(reason for reason in counts if reason.startswith(REVIEW))
        order = (FEW, DISAGREE, ABBREVIATION, PARTS, SENSES, *reviewed, SAME_WORD)
        return {reason: counts[reason] for reason in order if counts[reason]}


def select(lexicon: CatalogueLexicon, languages: tuple[str, ...]) -> Selection:
    """Return the concepts that all of ``languages`` have a word for.

    Parameters
    ----------
    lexicon : CatalogueLexicon
    languages : tuple of str
        Codes.

    Returns
    -------
    Selection
        A word is kept when three projects give one form in every language, nothing speaks for several senses, and its
        headwords are accepted forms of no other concept. Of two concepts with a word in common, the one stays that
        more projects translate; the other's forms that are not the headword are only left out.
    """
    reviewed = {row["word"]: REVIEW + row["reason"] for row in lexicon_rows(REVIEWED)}
    others = tuple(code for code in languages if code != "en")
    dropped: dict[str, str] = {}
    candidates: list[LexiconWord] = []
    for word in lexicon.words:
        if not any(word.projects.get(code) for code in others):
            continue
        reason = _reason(word, others) or reviewed.get(word.word)
        if reason is None:
            candidates.append(word)
        else:
            dropped[word.word] = reason
    taken: dict[tuple[str, str], str] = {}
    forms: dict[tuple[str, str], tuple[str, ...]] = {}
    kept: list[LexiconWord] = []
    for word in sorted(candidates, key=lambda one: (-_votes(one, others), one.word)):
        heads = [(code, normalise(word.forms[code][0].text)) for code in languages]
        if any(head in taken for head in heads):
            dropped[word.word] = SAME_WORD
            continue
        kept.append(word)
        for code in languages:
            own = [form.text for form in word.forms[code] if (code, normalise(form.text)) not in taken]
            forms[code, word.word] = tuple(own)
            taken |= {(code, normalise(form)): word.word for form in own}
    concepts = sorted((word.word for word in kept), key=lambda name: hashlib.sha256(name.encode()).digest())
    return Selection(
        languages=languages,
        concepts=tuple(concepts),
        forms=forms,
        held_out=frozenset(word.word for word in kept if word.is_held_out),
        dropped=dropped,
    )


def _reason(word: LexiconWord, codes: Iterable[str]) -> str | None:
    """Return why the votes do not make ``word`` a concept of the languages ``codes``; None when they do."""
    if any(word.projects.get(code, 0) < AGREEING for code in codes):
        return FEW
    if not all(word.agreed(code) for code in codes):
        return DISAGREE
    if word.abbreviation:
        return ABBREVIATION
    if len(word.parts) > 1:
        return PARTS
    if any(word.covered[code] < COVERED for code in codes):
        return SENSES
    return None


def _votes(word: LexiconWord, codes: Iterable[str]) -> int:
    return sum(word.projects[code] for code in codes)

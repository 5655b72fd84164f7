"""Which words projects translate alike: the votes on every English word, and what they agree on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from calque.data.corpora.debian.catalogues.entries import Entry
from calque.data.words.words import normalise

AGREEING = 3
"""Projects that give one form, at least, for a word to have a translation in a language."""
ACCEPTING = 2
"""Projects that give a form, at least, for it to be accepted beside it."""
COVERED = 2 / 3
"""Share of a language's votes that its accepted forms have, at least: else the word has several senses there."""
SPELLED_OUT = 0.5
"""Share of the entries that spell an English word in capitals, above which it is an abbreviation."""


@dataclass(frozen=True, kw_only=True)
class Votes:
    """What projects say of one English word.

    Attributes
    ----------
    word : str
        In lower case.
    forms : mapping of str to mapping of str to frozenset of str
        Projects by form, by language; forms are normalised (``calque.data.words.words.normalise``).
    spellings : mapping of (str, str) to Counter
        How often a form of a language is spelled in which way; English has language ``en``.
    parts : frozenset of str
        Parts of speech that contexts of its messages name.
    """

    word: str
    forms: Mapping[str, Mapping[str, frozenset[str]]]
    spellings: Mapping[tuple[str, str], Counter[str]]
    parts: frozenset[str]

    def accepted(self, code: str) -> tuple[str, ...]:
        """Return the forms of a language that are accepted, the one of most projects first; none without agreement.

        Parameters
        ----------
        code : str
            Code of a language; English has the word itself.
        """
        if code == "en":
            return (self.word,)
        ranked = sorted(self.forms.get(code, {}).items(), key=lambda item: (-len(item[1]), item[0]))
        if not ranked or len(ranked[0][1]) < AGREEING:
            return ()
        return tuple(form for form, projects in ranked if len(projects) >= ACCEPTING)

    def projects(self, code: str) -> int:
        """Return how many projects translate the word into the language ``code``."""
        return len(frozenset().union(*self.forms.get(code, {}).values()))

    def covered(self, code: str) -> float:
        """Return the share of the votes in the language ``code`` that accepted forms have; 1 for English."""
        if code == "en":
            return 1.0
        forms = self.forms[code]
        votes = sum(map(len, forms.values()))
        return sum(len(forms[form]) for form in self.accepted(code)) / votes

    @property
    def is_abbreviation(self) -> bool:
        """Whether it is mostly spelled in capitals."""
        spelled = self.spellings["en", self.word]
        capitals = sum(count for spelling, count in spelled.items() if spelling.isupper())
        return capitals > SPELLED_OUT * spelled.total()


def votes_of(entries: Iterable[Entry]) -> dict[str, Votes]:
    """Return the votes on each English word of ``entries``, in alphabetical order."""
    forms: dict[str, dict[str, dict[str, set[str]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    spellings: dict[str, dict[tuple[str, str], Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    parts: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        word, form = entry.english.lower(), normalise(entry.form)
        forms[word][entry.language][form].add(entry.project)
        spellings[word][entry.language, form][entry.form] += 1
        spellings[word]["en", word][entry.english] += 1
        if entry.part:
            parts[word].add(entry.part)
    return {
        word: Votes(
            word=word,
            forms={
                code: {form: frozenset(projects) for form, projects in own.items()} for code, own in forms[word].items()
            },
            spellings=dict(spellings[word]),
            parts=frozenset(parts[word]),
        )
        for word in sorted(forms)
    }

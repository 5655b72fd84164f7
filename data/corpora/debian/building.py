"""From nothing to clean text: fetch, extract, clean; every step leaves whole files and is never repeated.

``FOLDER/packages`` holds fetched packages, ``FOLDER/KEY`` what was made of one set of them: ``raw/SOURCE.tsv``
while it is being made, ``clean/LANGUAGE/SOURCE.tsv``, and ``corpus.json`` when all is done.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calque.data.corpora.debian import cleaning
from calque.data.corpora.debian.extracting import ExtractedSource, extract
from calque.data.corpora.debian.fetching import Package, choose, fetch
from calque.data.corpora.debian.files import PARTIAL, publish
from calque.data.corpora.debian.sources import SOURCES, DebianSource
from calque.data.json_files import read_json, write_json
from calque.data.languages import LANGUAGES
from calque.data.locks import locked

MANIFEST, RAW, CLEAN, COUNTS = "corpus.json", "raw", "clean", "counts.json"
RECIPE = 1  # raise it when the same packages would give other text
Report = Callable[[str, int, int], None]
"""Called with the current step, the number of finished steps, and their total."""


def silent(what: str, done: int, of: int) -> None:
    """Report nothing: the default for progress reports.

    Parameters
    ----------
    what : str
        The step.
    done : int
        Parts that are finished.
    of : int
        Parts in all.
    """


def build(folder: Path, report: Report = silent, sources: tuple[DebianSource, ...] = SOURCES) -> Path:
    """Make the clean text, or return it when it exists.

    Parameters
    ----------
    folder : path
    report : callable
    sources : tuple of DebianSource

    Returns
    -------
    path
        The folder of the finished text, with ``corpus.json`` and ``clean/LANGUAGE/SOURCE.tsv``.

    Raises
    ------
    UserError
        When packages cannot be had or read.
    """
    with locked(folder / ".lock"):
        store = folder / "packages"
        store.mkdir(exist_ok=True)
        wanted = tuple(name for source in sources for name in source.packages)
        chosen = choose(wanted, store, report)
        target = folder / _key(chosen.packages, sources)
        if not (target / MANIFEST).exists():
            fetch(chosen, store, report)
            target.mkdir(exist_ok=True)
            _make(target, chosen.packages, sources, report)
        shutil.rmtree(target / RAW, ignore_errors=True)
    return target


def _key(found: dict[str, Package], sources: tuple[DebianSource, ...]) -> str:
    names = [[source.name, [found[name].sha256 for name in source.packages if name in found]] for source in sources]
    return hashlib.sha256(json.dumps([RECIPE, names]).encode()).hexdigest()[:12]


def _make(target: Path, found: dict[str, Package], sources: tuple[DebianSource, ...], report: Report) -> None:
    raw = target / RAW
    raw.mkdir(exist_ok=True)
    present = {source.name: source for source in sources if any(name in found for name in source.packages)}
    extracted: dict[str, ExtractedSource] = {}
    for done, (name, source) in enumerate(present.items()):
        report(f"extracting {name}", done, len(present))
        extracted[name] = extract(source, [Path(found[word].file) for word in source.packages if word in found], raw)
    counts = _clean(target / CLEAN, extracted, report)
    manifest = {
        "recipe": RECIPE,
        "sources": {
            source.name: {
                "packages": [_described(found[word]) for word in source.packages if word in found],
                "missing": [word for word in source.packages if word not in found],
                "files": extracted[source.name].files if source.name in extracted else 0,
                "unreadable": extracted[source.name].unreadable if source.name in extracted else {},
                "licences": extracted[source.name].licences if source.name in extracted else {},
                "languages": {code: counts[code][source.name] for code in LANGUAGES if source.name in counts[code]},
            }
            for source in sources
        },
        "sha256": _digest(target / CLEAN),
    }
    write_json(target / MANIFEST, manifest, sort_keys=True)


def _described(package: Package) -> dict[str, str]:
    values = asdict(package)
    values["file"] = Path(package.file).name
    return values


def _clean(folder: Path, extracted: dict[str, ExtractedSource], report: Report) -> dict[str, dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    missing = [code for code in LANGUAGES if not (folder / code).exists()]
    if missing:
        report("reading the English of all sources", 0, len(LANGUAGES))
        english = cleaning.english_of(list(extracted.values()))
    for code in missing:
        partial = folder / f"{code}{PARTIAL}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        found = cleaning.clean(code, extracted, english, partial, _within(report, code))
        write_json(partial / COUNTS, {name: one.to_dict() for name, one in found.items()}, sort_keys=True)
        publish(partial, folder / code)
    return {code: read_json(folder / code / COUNTS) for code in LANGUAGES}


def _within(report: Report, code: str) -> Report:
    """Return a report of the steps of one language among all."""
    place = list(LANGUAGES).index(code)
    return lambda what, done, of: report(f"cleaning {code}: {what}", place * of + done, len(LANGUAGES) * of)


def _digest(clean: Path) -> str:
    """Return one hash over names and bytes of all clean text."""
    sha256 = hashlib.sha256()
    for path in sorted(clean.glob("*/*.tsv")):
        with path.open("rb") as file:
            sha256.update(
                f"{path.parent.name}/{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
            )
    return sha256.hexdigest()

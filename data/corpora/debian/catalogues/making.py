"""From packages to the word list: fetch, read entries, vote, count; each step leaves whole files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from calque.data.corpora.debian.building import Report, silent
from calque.data.corpora.debian.catalogues.agreement import ACCEPTING, Votes, votes_of
from calque.data.corpora.debian.catalogues.entries import Entry, read_entries, read_project
from calque.data.corpora.debian.catalogues.lexicon import CatalogueLexicon, lexicon_word
from calque.data.corpora.debian.catalogues.occurrences import Occurrences, count_words
from calque.data.corpora.debian.catalogues.projects import PROJECTS, Project
from calque.data.corpora.debian.fetching import VARIABLE, Package, PackageSelection, choose, fetch
from calque.data.corpora.debian.files import written
from calque.data.corpora.debian.sources import DebianSource
from calque.data.json_files import read_json, write_json
from calque.data.languages import LANGUAGES
from calque.data.locks import locked

RECIPE = 1  # raise it when the same packages and text would give another list
FOLDER, PACKAGES = "catalogues", "packages"
OTHERS = tuple(code for code in LANGUAGES if code != "en")


def make_lexicon(
    folder: Path,
    sources: tuple[DebianSource, ...],
    text: str,
    lines: Callable[[str], Iterable[str]],
    *,
    projects: tuple[Project, ...] = PROJECTS,
    report: Report = silent,
) -> CatalogueLexicon:
    """Make the word list of a corpus, or return it when it exists.

    Parameters
    ----------
    folder : path
        The corpus's; packages of its own are in ``packages`` there, the list and other packages in ``catalogues``.
    sources : tuple of DebianSource
        The corpus's.
    text : str
        Hash of its text.
    lines : callable
        Gives the training lines of a language; they say how words are spelled and how often they occur.
    projects : tuple of Project
    report : callable
        Called as ``report(what, done, of)``.

    Raises
    ------
    UserError
        When packages cannot be had or read.
    """
    own = folder / FOLDER
    own.mkdir(parents=True, exist_ok=True)
    with locked(own / ".lock"):
        found = _choose(folder, sources, projects, report)
        digests = {project.name: [package.sha256 for package in found[project.name]] for project in projects}
        key = hashlib.sha256(json.dumps([RECIPE, text, digests], sort_keys=True).encode()).hexdigest()[:12]
        path = own / f"lexicon-{key}.json"
        if not path.exists():
            facts = {}
            for done, project in enumerate(projects):
                report(f"reading the entries of {project.name}", done, len(projects))
                facts[project.name] = _extract(own, project, found[project.name])
            votes = votes_of(_entries(own, found))
            lexicon = _counted(votes, lines, {name: facts[name] for name in found if found[name]}, report)
            write_json(path, lexicon.to_dict(), indent=None, sort_keys=True)
        return CatalogueLexicon.read(path)


def _choose(
    folder: Path, sources: tuple[DebianSource, ...], projects: tuple[Project, ...], report: Report
) -> dict[str, list[Package]]:
    """Return the packages of every project that there are; those of ``apt-get`` are fetched."""
    of_corpus = [name for project in projects if project.in_corpus for name in project.packages]
    others = [name for project in projects if not project.in_corpus for name in project.packages]
    store, other_store = folder / PACKAGES, folder / FOLDER / PACKAGES
    for one in (store, other_store):
        one.mkdir(parents=True, exist_ok=True)
    if os.environ.get(VARIABLE):
        packages = choose([*of_corpus, *others], store, report).packages
    else:
        packages = {}
        wanted_by_corpus = [name for source in sources for name in source.packages]
        for wanted, needed, place in ((wanted_by_corpus, of_corpus, store), (others, others, other_store)):
            if wanted and needed:
                chosen = choose(wanted, place, report).packages
                chosen = {name: chosen[name] for name in needed if name in chosen}
                fetch(PackageSelection(packages=chosen, fetched=True), place, report)
                packages |= chosen
    return {project.name: [packages[name] for name in project.packages if name in packages] for project in projects}


def _entries_file(own: Path, project: str, packages: list[Package]) -> Path:
    digest = hashlib.sha256("\n".join([str(RECIPE), *(package.sha256 for package in packages)]).encode())
    return own / f"{project}-{digest.hexdigest()[:12]}.tsv"


def _extract(own: Path, project: Project, packages: list[Package]) -> dict[str, Any]:
    """Read a project's entries unless that was done; return what is known of it."""
    path = _entries_file(own, project.name, packages)
    facts = path.with_suffix(".json")
    if not facts.exists():
        found = read_project(project, [Path(package.file) for package in packages])
        with written(path) as file:
            file.writelines("\t".join(entry) + "\n" for entry in sorted(found.entries))
        write_json(
            facts,
            {
                "packages": [{"name": p.name, "version": p.version, "sha256": p.sha256} for p in packages],
                "in_corpus": project.in_corpus,
                "licences": sorted(found.licences),
                "entries": len(found.entries),
                "unreadable": found.unreadable,
            },
            sort_keys=True,
        )
    known: dict[str, Any] = read_json(facts)
    return known


def _entries(own: Path, found: Mapping[str, list[Package]]) -> Iterator[Entry]:
    for name, packages in found.items():
        yield from read_entries(_entries_file(own, name, packages))


def _counted(
    votes: Mapping[str, Votes],
    lines: Callable[[str], Iterable[str]],
    facts: Mapping[str, dict[str, Any]],
    report: Report,
) -> CatalogueLexicon:
    wanted: dict[str, set[str]] = {code: set() for code in OTHERS} | {"en": set(votes)}
    for one in votes.values():
        for code, forms in one.forms.items():
            wanted[code].update(form for form, projects in forms.items() if len(projects) >= ACCEPTING)
    found: dict[str, Occurrences] = {}
    for done, (code, words) in enumerate(wanted.items()):
        report(f"counting words in {code}", done, len(wanted))
        found[code] = count_words(lines(code), code, words)
    return CatalogueLexicon(
        words=tuple(lexicon_word(one, OTHERS, found) for one in votes.values()),
        projects=facts,
        text_words={code: one.words for code, one in found.items()},
    )

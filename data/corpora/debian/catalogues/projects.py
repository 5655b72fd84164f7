"""Whose catalogues vote on a word: the projects of the corpus, and others that are read for their entries alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from calque.data.corpora.debian.formats.gettext import catalogue
from calque.data.corpora.debian.sources import SOURCES, TAG, DebianSource, Rule

LOCALE_FILE = Rule(path=rf"usr/share/locale/{TAG}/LC_MESSAGES/(?P<document>[^/]+)\.mo", read=catalogue)
SAME_PROJECT = {"wesnoth-data": "wesnoth", "libreoffice-interface": "libreoffice"}
"""Sources of the corpus that belong to one project, whose translators are the same people."""
OTHER_PACKAGES: dict[str, str] = {
    "audacity": "audacity-data",
    "cinnamon": "cinnamon-l10n",
    "digikam": "digikam-data",
    "evince": "evince-common",
    "evolution": "evolution-common",
    "filezilla": "filezilla-common",
    "geany": "geany-common",
    "gedit": "gedit-common",
    "gimp": "gimp-data",
    "gnome-control-center": "gnome-control-center-data",
    "gnumeric": "gnumeric-common",
    "gtk": "libgtk-3-common",
    "kalzium": "kalzium-data",
    "kate": "kate5-data",
    "kgeography": "kgeography-data",
    "kstars": "kstars-data",
    "marble": "marble-data",
    "mate": "caja-common mate-control-center-common",
    "minetest": "minetest-data",
    "nautilus": "nautilus-data",
    "parley": "parley-data",
    "pidgin": "pidgin-data",
    "plasma": "plasma-workspace-data",
    "rhythmbox": "rhythmbox-data",
    "shotwell": "shotwell-common",
    "tellico": "tellico-data",
    "thunar": "thunar-data",
    "tuxpaint": "tuxpaint-data",
    "vlc": "vlc-l10n",
}
"""Packages by project. Their terms are read from the packages' copyright files."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """One voice in the agreement: the packages of a project, which share their translators.

    Attributes
    ----------
    name : str
    sources : tuple of DebianSource
    in_corpus : bool
        Whether its text is in the corpus too; otherwise only its one-word entries are read.
    """

    name: str
    sources: tuple[DebianSource, ...]
    in_corpus: bool

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of its packages, as their sources give them."""
        return tuple(name for source in self.sources for name in source.packages)

    def place(self, path: str) -> str | None:
        """Return the language of the catalogue at ``path``, or None when it is none that is wanted."""
        for source in self.sources:
            place = source.place(path)
            if place is not None and place[2] is catalogue and place[0] != "en":
                return place[0]
        return None


def _corpus_projects(sources: Iterable[DebianSource]) -> Iterator[Project]:
    by_name: dict[str, list[DebianSource]] = {}
    for source in sources:
        if any(rule.read is catalogue for rule in source.rules):
            by_name.setdefault(SAME_PROJECT.get(source.name, source.name), []).append(source)
    for name, belonging in by_name.items():
        yield Project(name=name, sources=tuple(belonging), in_corpus=True)


def _other_projects() -> Iterator[Project]:
    for name, packages in OTHER_PACKAGES.items():
        source = DebianSource(
            name=name,
            title=name,
            licence="in its copyright file",
            packages=tuple(packages.split()),
            rules=(LOCALE_FILE,),
        )
        yield Project(name=name, sources=(source,), in_corpus=False)


PROJECTS: tuple[Project, ...] = (*_corpus_projects(SOURCES), *_other_projects())

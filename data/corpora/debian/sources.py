"""Which packages are read, what in them is text of which language, and under which terms it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from calque.data.corpora.debian.formats.base import Reader
from calque.data.corpora.debian.formats.gettext import catalogue
from calque.data.corpora.debian.formats.man import man_page
from calque.data.corpora.debian.formats.markup import docbook, help_page, html_page, mallard
from calque.data.corpora.debian.formats.plain import descriptions, wiki_messages

TAGS = {
    "en": "C en en-US en-us",
    "de": "de de-DE de_DE",
    "ru": "ru ru-RU ru_RU",
    "zh": "zh zh-CN zh_CN zh-cn zh-hans zh_Hans",
    "ja": "ja ja-JP",
    "ko": "ko ko-KR ko_KR",
    "tr": "tr tr-TR tr_TR",
    "fi": "fi fi-FI",
    "id": "id id-ID id_ID",
}
LANGUAGE_OF = {tag: code for code, tags in TAGS.items() for tag in tags.split()}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Files of one format.

    Attributes
    ----------
    path : str
        Regular expression of the whole path; ``(?P<language>)`` is a tag of ``LANGUAGE_OF``, absent where all is
        English; ``(?P<document>)`` names the document, the same in every language.
    read : Reader
    """

    path: str
    read: Reader

    def place(self, path: str) -> tuple[str, str] | None:
        """Return language and document of a file, or None when it is not wanted."""
        found = re.fullmatch(self.path, path)
        if found is None:
            return None
        groups = found.groupdict()
        code = LANGUAGE_OF.get(groups.get("language", "en") or "en")
        return None if code is None else (code, groups["document"])


@dataclass(frozen=True, kw_only=True)
class DebianSource:
    """Text of one kind and origin.

    Attributes
    ----------
    name, title : str
    licence : str
        SPDX identifiers, as the packages' copyright files state them.
    packages : tuple of str
        Names; ``a|b`` means the first of them that there is.
    rules : tuple of Rule
        The first that matches a path reads it.
    """

    name: str
    title: str
    licence: str
    packages: tuple[str, ...]
    rules: tuple[Rule, ...]

    def place(self, path: str) -> tuple[str, str, Reader] | None:
        """Return language, document and reader of a file, or None when it is not wanted."""
        for rule in self.rules:
            if (place := rule.place(path)) is not None:
                return (*place, rule.read)
        return None


def _packages(text: str, *tags: str) -> tuple[str, ...]:
    """Return names; ``{}`` stands for each of the tags."""
    return tuple(
        name
        for word in text.split()
        for name in ([word.replace("{}", tag) for tag in tags] if "{}" in word else [word])
    )


def _html(path: str) -> tuple[Rule, ...]:
    return (Rule(path=path, read=html_page),)


def _catalogue(path: str) -> tuple[Rule, ...]:
    return (Rule(path=path, read=catalogue),)


TAG = r"(?P<language>[A-Za-z_-]+)"
DOCUMENT = r"(?P<document>[^/]+)"
LOCALE = rf"usr/share/locale/{TAG}/LC_MESSAGES"
CAMPAIGNS = "did dm dw ei httt l low nr sof sota sotbe thot trow tsg ttb utbs".split()

# Prose first: of a paragraph that several sources hold, the first keeps it.
SOURCES: tuple[DebianSource, ...] = (
    DebianSource(
        name="libreoffice-help",
        title="LibreOffice help",
        licence="MPL-2.0",
        packages=_packages("libreoffice-help-{}", "en-us", "de", "ru", "zh-cn", "ja", "ko", "tr", "fi", "id"),
        rules=(Rule(path=rf"usr/share/libreoffice/help/{TAG}/text/(?P<document>.+)\.html", read=help_page),),
    ),
    DebianSource(
        name="wesnoth",
        title="Battle for Wesnoth, campaigns",
        licence="GPL-2.0-or-later",
        packages=tuple(f"wesnoth-1.16-{name}|wesnoth-1.18-{name}" for name in CAMPAIGNS),
        rules=_catalogue(rf"usr/share/games/wesnoth/[\d.]+/locale/{TAG}/LC_MESSAGES/{DOCUMENT}\.mo"),
    ),
    DebianSource(
        name="wesnoth-data",
        title="Battle for Wesnoth, units and help",
        licence="GPL-2.0-or-later",
        packages=("wesnoth-1.16-data|wesnoth-1.18-data",),
        rules=_catalogue(rf"usr/share/games/wesnoth/[\d.]+/locale/{TAG}/LC_MESSAGES/{DOCUMENT}\.mo"),
    ),
    DebianSource(
        name="debian-handbook",
        title="The Debian Administrator's Handbook",
        licence="GPL-2.0-or-later OR CC-BY-SA-3.0",
        packages=("debian-handbook",),
        rules=_html(rf"usr/share/doc/debian-handbook/html/{TAG}/{DOCUMENT}\.html"),
    ),
    DebianSource(
        name="installation-guide",
        title="Debian installation guide",
        licence="GPL-2.0-only",
        packages=("installation-guide-amd64",),
        rules=_html(rf"usr/share/doc/installation-guide-amd64/{TAG}/{DOCUMENT}\.html"),
    ),
    DebianSource(
        name="debian-manuals",
        title="Debian reference, developer's reference, maintainers' guides, live manual, FAQ",
        licence="GPL-2.0-or-later; live manual GPL-3.0-or-later; debmake-doc MIT; FAQ: copyleft terms of its own",
        packages=(
            *_packages("debian-reference-{}", "en", "de", "ja", "zh-cn", "id"),
            *_packages("debian-faq debian-faq-{}", "de", "ja", "ko", "ru", "zh-cn"),
            *_packages("developers-reference developers-reference-{}", "de", "ja", "ru"),
            *_packages("maint-guide maint-guide-{}", "de", "ja", "ru", "zh-cn"),
            "debmake-doc",
            "live-manual-html",
        ),
        rules=_html(r"usr/share/(?:doc/)?(?P<document>[^/]+/(?:.+/)?[^/.]+)\.(?P<language>[A-Za-z_-]+)\.html"),
    ),
    DebianSource(
        name="aptitude",
        title="aptitude user's manual",
        licence="GPL-2.0-or-later",
        packages=_packages("aptitude-doc-{}", "en", "fi", "ja", "ru"),
        rules=_html(rf"usr/share/doc/aptitude/html/{TAG}/{DOCUMENT}\.html"),
    ),
    DebianSource(
        name="gnome-help",
        title="GNOME user documentation",
        licence="CC-BY-SA-3.0",
        packages=("gnome-user-docs",),
        rules=(Rule(path=rf"usr/share/help/{TAG}/(?P<document>.+)\.page", read=mallard),),
    ),
    DebianSource(
        name="mate-help",
        title="MATE user guide",
        licence="GFDL-1.1-or-later",
        packages=("mate-user-guide",),
        rules=(Rule(path=rf"usr/share/help/{TAG}/(?P<document>.+)\.(?:xml|docbook)", read=docbook),),
    ),
    DebianSource(
        name="kicad-manuals",
        title="KiCad manuals",
        licence="GPL-3.0-or-later OR CC-BY-3.0",
        packages=_packages("kicad-doc-{}", "en", "de", "ru", "zh", "ja", "id"),
        rules=_html(rf"usr/share/doc/kicad/help/{TAG}/{DOCUMENT}\.html"),
    ),
    DebianSource(
        name="lilypond-manuals",
        title="LilyPond manuals",
        licence="GFDL-1.3-or-later",
        packages=_packages("lilypond-doc-html lilypond-doc-html-{}", "de", "ja", "zh"),
        rules=_html(
            r"usr/share/doc/lilypond/html/Documentation/(?P<document>(?:changes|essay|extending|learning|notation|usage|web)/[^/.]+)"
            r"(?:\.(?P<language>[a-z]+))?\.html"
        ),
    ),
    DebianSource(
        name="apache-manual",
        title="Apache HTTP server manual",
        licence="Apache-2.0",
        packages=("apache2-doc",),
        rules=_html(rf"usr/share/doc/apache2-doc/manual/{TAG}/(?P<document>.+)\.html"),
    ),
    DebianSource(
        name="manpages",
        title="Manual pages",
        licence="page by page: GPL-3.0-or-later, GPL-2.0-or-later, BSD, GFDL, Linux-man-pages-copyleft and others",
        packages=(
            "manpages",
            "manpages-dev",
            *_packages("manpages-{} manpages-{}-dev", "de", "ru", "ja"),
            *_packages("manpages-{}", "zh", "tr", "fi", "id"),
        ),
        rules=(Rule(path=r"usr/share/man/(?:(?P<language>[A-Za-z_]+)/)?(?P<document>man\d/[^/]+)\.gz", read=man_page),),
    ),
    DebianSource(
        name="cataclysm-dda",
        title="Cataclysm: Dark Days Ahead",
        licence="CC-BY-SA-3.0",
        packages=("cataclysm-dda-data",),
        rules=_catalogue(rf"{LOCALE}/{DOCUMENT}\.mo"),
    ),
    DebianSource(
        name="crawl",
        title="Dungeon Crawl Stone Soup, descriptions",
        licence="GPL-2.0-or-later",
        packages=("crawl-common",),
        rules=(
            Rule(path=rf"usr/share/crawl/dat/descript/(?:(?P<language>[a-z]+)/)?{DOCUMENT}\.txt", read=descriptions),
        ),
    ),
    DebianSource(
        name="freeciv",
        title="Freeciv",
        licence="GPL-2.0-or-later",
        packages=("freeciv-data",),
        rules=_catalogue(rf"{LOCALE}/{DOCUMENT}\.mo"),
    ),
    DebianSource(
        name="libreoffice-interface",
        title="LibreOffice, user interface",
        licence="MPL-2.0",
        packages=_packages("libreoffice-l10n-{}", "de", "ru", "zh-cn", "ja", "ko", "tr", "fi", "id"),
        rules=_catalogue(rf"usr/lib/libreoffice/program/resource/{TAG}/LC_MESSAGES/{DOCUMENT}\.mo"),
    ),
    DebianSource(
        name="mediawiki",
        title="MediaWiki, messages",
        licence="GPL-2.0-or-later",
        packages=("mediawiki",),
        rules=(Rule(path=rf"usr/share/mediawiki/(?P<document>.+)/{TAG}\.json", read=wiki_messages),),
    ),
    DebianSource(
        name="wordpress",
        title="WordPress",
        licence="GPL-2.0-or-later",
        packages=("wordpress-l10n",),
        rules=_catalogue(rf"usr/share/wordpress/wp-content/languages/(?P<document>(?:admin-)?){TAG}\.mo"),
    ),
    DebianSource(
        name="blender",
        title="Blender, user interface",
        licence="GPL-2.0-or-later",
        packages=("blender-data",),
        rules=_catalogue(rf"{LOCALE}/{DOCUMENT}\.mo"),
    ),
    DebianSource(
        name="gnucash",
        title="GnuCash, user interface",
        licence="GPL-2.0-or-later",
        packages=("gnucash-common",),
        rules=_catalogue(rf"{LOCALE}/{DOCUMENT}\.mo"),
    ),
    DebianSource(
        name="gramps",
        title="Gramps, user interface",
        licence="GPL-2.0-or-later",
        packages=("gramps",),
        rules=_catalogue(rf"{LOCALE}/{DOCUMENT}\.mo"),
    ),
    DebianSource(
        name="phpmyadmin",
        title="phpMyAdmin, user interface",
        licence="GPL-2.0-only",
        packages=("phpmyadmin",),
        rules=_catalogue(rf"usr/share/phpmyadmin/locale/{TAG}/LC_MESSAGES/{DOCUMENT}\.mo"),
    ),
    DebianSource(
        name="zabbix",
        title="Zabbix, user interface",
        licence="GPL-2.0-or-later",
        packages=("zabbix-frontend-php",),
        rules=_catalogue(rf"usr/share/zabbix/locale/{TAG}/LC_MESSAGES/{DOCUMENT}\.mo"),
    ),
)

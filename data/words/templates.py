"""Wordings of the word questions, read from ``data/lexicon/templates.yaml``, so that their effect can be measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from calque.data.errors import UserError, nearest
from calque.data.languages import LANGUAGES, language
from calque.data.tasks import Segment

DEFAULT = "names"


@dataclass(frozen=True, kw_only=True)
class Template:
    """One wording.

    Attributes
    ----------
    name, about : str
    lines : mapping of str to str
        By target language: the complete line, with ``{source}``, ``{word}``, ``{target}``, ``{answer}``.
    sources : mapping of (target, source) to str
        What stands for ``{source}``.
    targets : mapping of str to str
        What stands for ``{target}``.
    stop : str
        The sign after every answer, in all languages the same.
    """

    name: str
    about: str
    lines: Mapping[str, str]
    sources: Mapping[tuple[str, str], str]
    targets: Mapping[str, str]
    stop: str

    def question(self, source: str, target: str, word: str) -> tuple[Segment, ...]:
        """Return the line up to the answer: the word in the source language, all else in the target language."""
        before, after = self._filled(source, target).partition("{answer}")[0].split("{word}")
        pieces = ((target, before), (source, word), (target, after))
        return tuple(piece for piece in pieces if piece[1])

    def line(self, source: str, target: str, word: str, answer: str) -> tuple[Segment, ...]:
        """Return a complete line, with line end, of ``word`` in ``source`` and ``answer`` in ``target``."""
        after = self._filled(source, target).partition("{answer}")[2]
        return *self.question(source, target, word), (target, f"{answer}{after}\n")

    def _filled(self, source: str, target: str) -> str:
        line = self.lines[target].replace("{source}", self.sources[target, source])
        return line.replace("{target}", self.targets[target])


def template(name: str) -> Template:
    """Return a template by its name.

    Raises
    ------
    UserError
        When there is none of this name.
    """
    known = templates()
    if name not in known:
        raise UserError(f"template is '{name}'; expected one of {', '.join(known)}{nearest(name, list(known))}")
    return known[name]


@cache
def templates() -> dict[str, Template]:
    """Return all templates by name."""
    text = files("calque.data.lexicon").joinpath("templates.yaml").read_text(encoding="utf-8")
    return {name: _read(name, entry) for name, entry in yaml.safe_load(text).items()}


def _read(name: str, entry: Mapping[str, Any]) -> Template:
    lines = entry["lines"] if "lines" in entry else dict.fromkeys(LANGUAGES, entry["line"])
    native = {code: language(code).native_name for code in LANGUAGES}
    names = entry.get("names") or dict.fromkeys(LANGUAGES, native)
    stops = {re.split(r"\{answer\}", line)[1][0] for line in lines.values()}
    assert len(stops) == 1, f"template {name}: the answers end differently: {stops}"
    return Template(
        name=name,
        about=entry["about"],
        lines=lines,
        sources={(target, source): names[target][source] for target in LANGUAGES for source in LANGUAGES},
        targets=entry.get("own") or native,
        stop=stops.pop(),
    )

"""Which words of a list aligned lines hold on both sides: what a model may have seen of a pair besides entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from calque.data.languages import LANGUAGES
from calque.data.tasks import WordTask
from calque.data.words.words import normalise

NEVER, ENTRY, IN_LINES = range(3)
"""Values of ``exposure``, in the order of ``calque.data.cube.EXPOSURES``."""
TOKEN = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


def no_exposure(task_languages: tuple[str, ...], concepts: int) -> NDArray[np.int8]:
    """Return the exposure of a text without a pair: ``NEVER`` between two languages, -1 within one.

    Parameters
    ----------
    task_languages : tuple of str
        Codes, length L.
    concepts : int
        Number of concepts, C.

    Returns
    -------
    array of int8, shape (L, L, C)
    """
    table = np.full((len(task_languages), len(task_languages), concepts), NEVER, np.int8)
    table[np.eye(len(task_languages), dtype=bool)] = -1
    return table


def in_lines(task: WordTask, lines: Mapping[tuple[str, str], Iterable[tuple[str, str]]]) -> NDArray[np.bool_]:
    """Return for which words of ``task`` some line holds the source word and its translation an accepted form.

    Parameters
    ----------
    task : WordTask
    lines : mapping of (str, str) to iterable of (str, str)
        Aligned lines by two languages. Their order does not matter: a pair of lines counts for both directions.

    Returns
    -------
    array of bool, shape (L, L, C)
        By source, target and concept. Words are whole words, inflected ones are others; in Chinese, Japanese and
        Korean they are any place with these signs.
    """
    found = np.zeros((len(task.languages), len(task.languages), len(task.concepts)), bool)
    finders = {code: _Finder(task, code) for code in task.languages}
    for (first, second), pairs in lines.items():
        one, other = task.languages.index(first), task.languages.index(second)
        for left, right in pairs:
            heads, forms = finders[first].concepts(left)
            other_heads, other_forms = finders[second].concepts(right)
            for k in heads & other_forms:
                found[one, other, k] = True
            for k in other_heads & forms:
                found[other, one, k] = True
    return found


class _Finder:
    """Finds the concepts that a line of one language names, by headword and by any accepted form."""

    def __init__(self, task: WordTask, code: str) -> None:
        self.spaces = LANGUAGES[code].spaces and code != "ko"
        self.heads: dict[str, set[int]] = {}
        self.forms: dict[str, set[int]] = {}
        for k, concept in enumerate(task.concepts):
            own = [normalise(form) for form in task.forms.get((code, concept), ())]
            for form in own:
                self.forms.setdefault(form, set()).add(k)
            if own:
                self.heads.setdefault(own[0], set()).add(k)

    def concepts(self, line: str) -> tuple[set[int], set[int]]:
        """Return the concepts whose headword, and those of which any form, stands in a line."""
        text = normalise(line)
        said = self.forms.keys() & set(TOKEN.findall(text)) if self.spaces else {f for f in self.forms if f in text}
        heads = set[int]().union(*(self.heads[form] for form in said if form in self.heads))
        return heads, set[int]().union(*(self.forms[form] for form in said))

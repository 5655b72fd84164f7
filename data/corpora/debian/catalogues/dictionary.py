"""A dictionary in the format of dictd: an index of headwords and a file of articles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from calque.data.corpora.debian.archive import read_files
from calque.data.corpora.debian.formats.base import Unreadable, gunzipped
from calque.data.corpora.debian.text import is_dense
from calque.data.errors import UserError
from calque.data.words.words import normalise

DIGITS = {sign: value for value, sign in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
TOKEN = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
LARGEST = 256 << 20
"""Bytes of the articles of a dictionary, at most."""
STRESS = "\N{COMBINING ACUTE ACCENT}"


class Dictionary:
    """Articles by headword.

    Parameters
    ----------
    package : path
        A package with one ``.index`` and one ``.dict.dz``, which is gzip.
    code : str
        Language of the translations.

    Raises
    ------
    UserError
        When the package is damaged or holds no dictionary.
    """

    def __init__(self, package: Path, code: str) -> None:
        files = dict(read_files(package, lambda name: name.endswith((".index", ".dict.dz"))))
        index = next((data for name, data in files.items() if name.endswith(".index")), None)
        articles = next((data for name, data in files.items() if name.endswith(".dict.dz")), None)
        if index is None or articles is None:
            raise UserError(f"{package} holds no dictionary; expected a file .index and a file .dict.dz")
        try:
            self._code, self._articles = code, gunzipped(articles, LARGEST)
        except Unreadable as error:
            raise UserError(f"{package} holds no readable dictionary: {error}") from None
        self._places: dict[str, list[tuple[int, int]]] = {}
        for line in index.decode("utf-8", "replace").splitlines():
            word, start, length = (line.split("\t") + ["", ""])[:3]
            self._places.setdefault(word.lower(), []).append((_number(start), _number(length)))

    def articles(self, word: str) -> Iterator[str]:
        """Yield the articles of an English ``word``."""
        for start, length in self._places.get(word.lower(), ()):
            yield self._articles[start : start + length].decode("utf-8", "replace")

    def __contains__(self, word: str) -> bool:
        return word.lower() in self._places

    def gives(self, word: str, form: str) -> bool:
        """Return whether an article of an English ``word`` names ``form``, as a whole word where words have spaces."""
        wanted = normalise(form)
        for article in self.articles(word):
            text = normalise(article.replace(STRESS, ""))
            if wanted in text if is_dense(self._code) else wanted in TOKEN.findall(text):
                return True
        return False


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = 64 * value + DIGITS[digit]
    return value

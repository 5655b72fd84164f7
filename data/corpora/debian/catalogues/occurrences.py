"""How often words occur in text: what decides their spelling and is known of their frequency."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple

from calque.data.corpora.debian.text import is_dense
from calque.data.words.words import normalise

TOKEN = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
SIGN = re.compile(r"[^\W\d_]")
CHUNK = 20_000
"""Lines of a chunk of text in which words without spaces around them are counted."""


class Occurrences(NamedTuple):
    """Occurrences of words in a text.

    Attributes
    ----------
    uses : dict of str to int
        By normalised word.
    spellings : Counter
        By word as it is spelled, where it is not the first of its line.
    words : int
        Words of the text; of Chinese, Japanese and Korean its signs.
    """

    uses: dict[str, int]
    spellings: Counter[str]
    words: int


def count_words(lines: Iterable[str], code: str, wanted: Collection[str]) -> Occurrences:
    """Count words in a text.

    Parameters
    ----------
    lines : iterable of str
        Text of one language.
    code : str
        Of the language. In Chinese, Japanese and Korean, where other signs adjoin a word, any place counts that holds
        its signs; elsewhere whole words alone, so that an inflected form is another word.
    wanted : collection of str
        Normalised words.

    Returns
    -------
    Occurrences
        Of the wanted words.
    """
    return _signs(lines, wanted) if is_dense(code) else _tokens(lines, frozenset(wanted))


def _tokens(lines: Iterable[str], wanted: frozenset[str]) -> Occurrences:
    spelled: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    for line in lines:
        tokens = TOKEN.findall(line)
        spelled.update(tokens)
        inside.update(tokens[1:])
    uses: Counter[str] = Counter()
    for token, count in spelled.items():
        if (word := normalise(token)) in wanted:
            uses[word] += count
    kept = Counter({token: count for token, count in inside.items() if normalise(token) in wanted})
    return Occurrences({word: uses[word] for word in wanted}, kept, spelled.total())


def _signs(lines: Iterable[str], wanted: Collection[str]) -> Occurrences:
    uses: Counter[str] = Counter()
    words, chunk = 0, list[str]()

    def count() -> None:
        nonlocal words
        text = "\n".join(chunk)
        words += len(SIGN.findall(text))
        for word in wanted:
            uses[word] += text.count(word)
        chunk.clear()

    for line in lines:
        chunk.append(line)
        if len(chunk) == CHUNK:
            count()
    count()
    return Occurrences({word: uses[word] for word in wanted}, Counter(), words)

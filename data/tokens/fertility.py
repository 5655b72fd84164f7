"""How finely a tokenizer cuts each language: tokens a word, bytes a token, and whether text comes back exact."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from tokenizers import Tokenizer

from calque.data.corpus import Corpus
from calque.data.languages import LANGUAGES

SAMPLE_CHARACTERS = 200_000
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SYLLABLE_SCRIPTS = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True, kw_only=True)
class Fertility:
    """A tokenizer on a sample of one language.

    Attributes
    ----------
    words, tokens, text_bytes, lines : int
        Of the sample. Words are runs of letters and digits, apostrophes within included; Chinese characters and kana,
        which no space separates, are a word each.
    exact_lines : int
        Lines that decode to themselves.
    """

    words: int
    tokens: int
    text_bytes: int
    lines: int
    exact_lines: int

    @property
    def tokens_per_word(self) -> float:
        """All tokens of the text, those of punctuation included, by words; NaN without words."""
        return self.tokens / self.words if self.words else float("nan")

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes by tokens; NaN without tokens."""
        return self.text_bytes / self.tokens if self.tokens else float("nan")


def measure(tokenizer: Tokenizer, documents: Iterable[str], characters: int = SAMPLE_CHARACTERS) -> Fertility:
    """Return the fertility on the first lines of ``documents``.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    documents : iterable of str
        Text of one language.
    characters : int
        Of text to look at, at most: a longer line is cut.
    """
    lines = list(_first_lines(documents, characters))
    encoded = tokenizer.encode_batch_fast(lines, add_special_tokens=False)
    decoded = tokenizer.decode_batch([encoding.ids for encoding in encoded], skip_special_tokens=False)
    return Fertility(
        words=sum(map(count_words, lines)),
        tokens=sum(len(encoding.ids) for encoding in encoded),
        text_bytes=sum(len(line.encode()) for line in lines),
        lines=len(lines),
        exact_lines=sum(line == back for line, back in zip(lines, decoded, strict=True)),
    )


def of_corpus(tokenizer: Tokenizer, corpus: Corpus) -> dict[str, dict[str, Any]]:
    """Return the fertility of ``tokenizer`` in each natural language of ``corpus``, JSON-ready; none for a world.

    The text is the first that is held out, and of training where that is short.
    """
    return {
        code: table_row(measure(tokenizer, chain(corpus.documents(code, "heldout"), corpus.documents(code, "train"))))
        for code in corpus.streams()
        if code in LANGUAGES
    }


def table_row(measured: Fertility) -> dict[str, Any]:
    """Return the counts of ``measured`` and the two rates, JSON-ready; a rate that does not exist is None."""
    rates = {"tokens_per_word": measured.tokens_per_word, "bytes_per_token": measured.bytes_per_token}
    return {**asdict(measured), **{name: round(rate, 4) if rate == rate else None for name, rate in rates.items()}}


def count_words(text: str) -> int:
    """Return the number of words in ``text``, as :class:`Fertility` defines them."""
    spaced, alone = _SYLLABLE_SCRIPTS.subn(" ", text)
    return alone + sum(1 for _ in _WORD.finditer(spaced))


def _first_lines(documents: Iterable[str], characters: int) -> Iterator[str]:
    left = characters
    for document in documents:
        for line in document.split("\n"):
            if line:
                yield line[:left]
                left -= len(line)
            if left <= 0:
                return

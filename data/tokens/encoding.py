"""From text to token ids and back, where all languages share their tokens or each has a block of its own.

In blocks, token t of the tokenizer is t + i x V in the i-th language, V being the tokenizer's vocabulary: no two
languages have a token in common, the one that begins a document included.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calque.data.corpus import Corpus
from calque.data.errors import UserError
from calque.data.processes import cores
from calque.data.tasks import Segment
from calque.data.tokens import tekken
from calque.data.tokens.tokenizers import bos

if TYPE_CHECKING:
    import tiktoken


@runtime_checkable
class BlockCorpus(Protocol):
    """A corpus whose languages have blocks of tokens: their codes in order, and the languages within a document."""

    blocks: tuple[str, ...]

    def segments(self, stream: str, part: str | None, document: str) -> tuple[Segment, ...]:
        """Return ``document`` of a ``part`` of ``stream`` in pieces, each with its language."""
        ...


def blocks_of(corpus: Corpus) -> tuple[str, ...]:
    """Return the languages that have blocks of tokens in a corpus; none where all share them."""
    return corpus.blocks if isinstance(corpus, BlockCorpus) else ()


class Encoding:
    """A tokenizer, and the languages that have blocks.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    blocks : sequence of str
        Codes of the languages in the order of their blocks; empty when all share the tokens.

    Attributes
    ----------
    size : int
        Tokens of the tokenizer, V.
    vocabulary : int
        Tokens of a model: V, or V times the languages.
    """

    def __init__(self, tokenizer: Tokenizer, blocks: Sequence[str] = ()) -> None:
        self.tokenizer, self.blocks = tokenizer, tuple(blocks)
        self.size: int = tokenizer.get_vocab_size()
        self.vocabulary = self.size * max(1, len(self.blocks))
        self._first = bos(tokenizer)
        self._encoded: dict[str, list[int]] = {}

    def shift(self, code: str) -> int:
        """Return what is added to the tokenizer's ids in the language ``code``.

        Raises
        ------
        UserError
            When there are blocks and the language has none.
        """
        if not self.blocks:
            return 0
        if code not in self.blocks:
            raise UserError(f"'{code}' has no block of tokens; expected one of {', '.join(self.blocks)}")
        return self.size * self.blocks.index(code)

    def begin(self, code: str) -> int:
        """Return the id of the token that begins a document in the language ``code``."""
        return self._first + self.shift(code)

    def encode(self, segments: Iterable[Segment]) -> list[int]:
        """Return the ids of a text in ``segments``; neighbours with the same block of tokens are tokenised as one."""
        ids: list[int] = []
        for shift, pieces in groupby(segments, key=lambda segment: self.shift(segment[0])):
            ids += [token + shift for token in self._tokens("".join(text for _, text in pieces))]
        return ids

    def encode_many(self, texts: list[str]) -> list[NDArray[np.uint32]]:
        """Return the tokenizer's ids of many texts, side by side in threads; blocks are left to the caller."""
        if self._tekken is None:
            encoded = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            return [np.array(one.ids, np.uint32) for one in encoded]
        with ThreadPoolExecutor(self._threads) as pool:
            found = pool.map(self._tekken.encode_to_numpy, texts)
            return [ids + np.uint32(tekken.SPECIAL) for ids in found]

    @cached_property
    def _tekken(self) -> tiktoken.Encoding | None:
        return tekken.encoder(self.tokenizer)

    @cached_property
    def _threads(self) -> int:
        return int(os.environ.get("RAYON_NUM_THREADS") or cores())

    def decode(self, ids: Sequence[int]) -> tuple[str, str | None]:
        """Return the text of token ids and the language of its block.

        The language is None where all share the tokens. Of ids from several blocks, those after the first change of
        block are dropped: they are no text of that language.
        """
        if not self.blocks:
            return self.tokenizer.decode(list(ids), skip_special_tokens=False), None
        block = ids[0] // self.size
        end = next((place for place, token in enumerate(ids) if token // self.size != block), len(ids))
        text = self.tokenizer.decode([token % self.size for token in ids[:end]], skip_special_tokens=False)
        return text, self.blocks[block]

    def _tokens(self, text: str) -> list[int]:
        if text not in self._encoded:
            try:
                self._encoded[text] = self.tokenizer.encode(text, add_special_tokens=False).ids
            except Exception as error:  # the library raises nothing narrower
                line = " ".join(text.split())[:40]
                raise UserError(
                    f"the tokenizer cannot write '{line}' ({error}); expected one that knows every character, as that "
                    "of a simulated world does not"
                ) from error
        return self._encoded[text]

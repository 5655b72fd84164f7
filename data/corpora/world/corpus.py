"""A simulated multilingual world with known truth: everything a model can learn was drawn at random.

Languages over one inventory of concepts speak of the same latent process, each with its own words, word order
and agreement markers. Some words are shared between languages (cognates), some documents are glossaries that
pair words of two languages, and some pairs are never in a glossary: those a model can only get right by
translating.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.documents import different_names, glossaries, held_out, texts
from calque.data.corpora.world.drawn import draw_world
from calque.data.corpora.world.grammar import ABSENT
from calque.data.corpora.world.lexicon import Vocabulary
from calque.data.corpora.world.opening import OPENING, opening
from calque.data.corpora.world.questions import GLOSSARY, minimal_pairs, tagged_lines, word_task
from calque.data.corpora.world.truth import WorldTruth, truth_of
from calque.data.corpus import Split
from calque.data.errors import UserError, nearest
from calque.data.tasks import MinimalPair, Segment, WordTask

MAX_FRUITLESS_BLOCKS = 20
ALIGNED_SENTENCES = 1024
"""Of each pair of languages, over both splits."""
TAGGED = re.compile(r"<(\w+)>[^<]*")


class World:
    """A world as a corpus (see ``calque.data.corpus.Corpus``), with its ``truth``.

    Parameters
    ----------
    config : WorldConfig, optional
    shares : mapping of str to float, optional
        Shares of the languages (as of ``calque.data.mixes.mix.Mix.shares``), uniform if absent. They size the streams;
        glossaries pair, and code-switching draws on, only languages with a share.

    Raises
    ------
    UserError
        When the shares name an unknown language or leave fewer than two languages for the glossaries.
    """

    name = "world"

    def __init__(self, config: WorldConfig | None = None, *, shares: Mapping[str, float] | None = None) -> None:
        self.drawn = draw_world(WorldConfig() if config is None else config, shares)
        self.config, self.vocabulary, self.shares = self.drawn.config, self.drawn.vocabulary, self.drawn.shares
        self.languages = self.vocabulary.codes

    @cached_property
    def truth(self) -> WorldTruth:
        """What was drawn, to judge a model and the statistics by."""
        return truth_of(self.drawn)

    def streams(self) -> dict[str, float | None]:
        """Return the languages with the mix's share, and the glossaries with theirs (if they have one).

        The text that training begins with, if it is another, is a stream without a share.
        """
        fixed: dict[str, float | None] = {}
        if self.config.glossary_share:
            fixed[GLOSSARY] = self.config.glossary_share
        if self.config.opening:
            fixed[OPENING] = 0.0
        return {**dict.fromkeys(self.languages), **fixed}

    def stream_tokens(self, stream: str, split: Split) -> int:
        """Return the number of tokens of ``split`` (its last document may exceed it).

        Parameters
        ----------
        stream : str
            A language, or the glossaries.
        split : {"train", "heldout"}
            The split.

        Returns
        -------
        int
            Tokens.
        """
        if split == "heldout":
            return self.config.heldout_tokens
        if stream == OPENING:
            return self.config.opening + 1  # the last one is a target alone
        glossary = self.config.glossary_share
        share = glossary if stream == GLOSSARY else (1 - glossary) * self.shares[stream]
        return int(np.ceil(self.config.train_tokens * share))

    def token_batches(self, stream: str, split: Split, n_tokens: int | None = None) -> Iterator[NDArray[np.int64]]:
        """Yield the stream's documents as token ids: ``<bos>`` and the document, again and again.

        Parameters
        ----------
        stream, split : str
        n_tokens : int, optional
            Tokens after whose document the stream ends; ``stream_tokens`` if absent. A longer stream
            begins with the shorter one.

        Yields
        ------
        array of int64, shape (tokens,)
            About four thousand whole documents.

        Raises
        ------
        UserError
            When the stream is unknown, or its documents are too few for two splits.
        """
        if stream not in self.streams():
            known = list(self.streams())
            guess = nearest(stream, known)
            raise UserError(f"world: unknown stream '{stream}'; expected one of {', '.join(known)}{guess}")
        remaining = self.stream_tokens(stream, split) if n_tokens is None else n_tokens
        key = zlib.crc32(stream.encode()), ("train", "heldout").index(split)
        rng = np.random.default_rng([self.config.world_seed, *key])
        fruitless = 0
        while remaining > 0:
            rows = self._drawn_rows(stream, rng)
            rows = rows[held_out(rows) == (split == "heldout")]
            ends = np.cumsum((rows != ABSENT).sum(axis=1))
            rows = rows[: int(np.searchsorted(ends, remaining)) + 1]
            tokens = rows[rows != ABSENT]
            fruitless = 0 if len(tokens) else fruitless + 1
            if fruitless == MAX_FRUITLESS_BLOCKS:
                raise UserError(
                    f"world: the stream '{stream}' has too few different documents to hold some out; "
                    "expected more sentences, glossary_entries, names or concepts"
                )
            remaining -= len(tokens)
            if len(tokens):
                yield tokens

    def _drawn_rows(self, stream: str, rng: np.random.Generator) -> NDArray[np.int64]:
        if stream == OPENING:
            return opening(self.drawn, rng)
        return glossaries(self.drawn, rng) if stream == GLOSSARY else texts(self.drawn, stream, rng)

    def document_bytes(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the UTF-8 length of each document in a batch of ``token_batches``, shape (documents,).

        Parameters
        ----------
        tokens : array of int, shape (tokens,)
            Documents one after another, each beginning with ``<bos>``.

        Returns
        -------
        array of int, shape (documents,)
            Bytes of each document as text.
        """
        starts = np.flatnonzero(tokens == Vocabulary.BOS)
        lengths: NDArray[np.int64] = np.add.reduceat(self.vocabulary.lengths[tokens], starts)
        return lengths - len("<bos>") - len(" ")

    def documents(self, stream: str, split: Split) -> Iterator[str]:
        """Yield the documents of ``stream`` in ``split`` as text: those that ``token_batches`` yields as tokens."""
        for tokens in self.token_batches(stream, split):
            starts = np.flatnonzero(tokens == Vocabulary.BOS)
            for document in np.split(tokens, starts[1:]):
                yield self.vocabulary.text(document[1:])

    def segments(self, stream: str, part: str | None, document: str) -> tuple[Segment, ...]:
        """Return a document in pieces with their languages; a glossary, and the opening, is split before each tag.

        Parameters
        ----------
        stream : str
            A language, or the glossaries.
        part : str or None
            Not used: a stream of a world has no parts.
        document : str
            Text of the document.

        Returns
        -------
        tuple of Segment
            Code of the language and text, in order.
        """
        if stream not in (GLOSSARY, OPENING):
            return ((stream, document),)
        return tuple((piece[1], piece[0]) for piece in TAGGED.finditer(document))

    def aligned(self, first: str, second: str, split: Split) -> Iterator[tuple[str, str]]:
        """Return pairs of sentences with the same meaning, the same number for every pair of languages.

        A sentence stands in one split only; names are the same in both languages, unless they do not recur.

        Parameters
        ----------
        first : str
            Code of a language.
        second : str
            Code of another language.
        split : {"train", "heldout"}
            The split.

        Returns
        -------
        iterator of tuple of str and str
            A sentence in each of the two languages.

        Raises
        ------
        UserError
            When the world is shuffled, so that no two sentences say the same.
        """
        if self.config.shuffled:
            raise UserError("world: a shuffled world has no aligned lines; drop parallel from the mix, or shuffled")
        return self._aligned(first, second, split)

    def _aligned(self, first: str, second: str, split: Split) -> Iterator[tuple[str, str]]:
        places = sorted(map(self.languages.index, (first, second)))
        key = zlib.crc32(b"aligned"), *places
        rng = np.random.default_rng([self.config.world_seed, *key])
        n = ALIGNED_SENTENCES
        drawn = self.drawn
        latent = drawn.grammar.latent(rng.integers(0, self.config.topics, n), rng)
        if self.config.recurring_names:
            names = [drawn.lexicon.names[rng.integers(0, self.config.names, n)]] * 2
        else:
            names = different_names(drawn, n, 2, rng)
        named = rng.random(n) < self.config.name_rate
        rendered = {
            place: drawn.grammar.render(place, latent, name=name, named=named)
            for place, name in zip(places, names, strict=True)
        }
        chosen = held_out(rendered[places[0]]) == (split == "heldout")
        lines = {self.languages[place]: tagged_lines(drawn, place, rows[chosen]) for place, rows in rendered.items()}
        yield from zip(lines[first], lines[second], strict=True)

    def tokenizer(self) -> Tokenizer:
        """Return the world's word-level tokenizer; ``<bos>`` is token 0."""
        return self.vocabulary.tokenizer()

    def word_task(self) -> WordTask:
        """Return every concept's word in every language, and invented words dealt out among the languages."""
        return word_task(self.drawn, self.truth)

    def minimal_pairs(self) -> tuple[MinimalPair, ...]:
        """Return pairs on agreement (the verb's number) and word order (the side of the adjective).

        Every language says the same latent sentences; a cluster is one of them.
        """
        return minimal_pairs(self.drawn)

    def provenance(self) -> dict[str, Any]:
        """Return the settings, from which the same text can be drawn again."""
        return {
            "corpus": self.name,
            "source": "simulated by calque.data.corpora.world.corpus",
            "licence": "CC0-1.0",
            "settings": asdict(self.config),
            "shares": self.shares,
        }

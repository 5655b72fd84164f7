"""A simulated multilingual world with known truth: all there is to learn in it was drawn.

Languages over one inventory of concepts speak of the same latent process, each with its own words, word order
and agreement markers. Some words are shared between languages (cognates), some documents are glossaries that
pair words of two languages, and some pairs are never in a glossary: those a model can only get right by
translating.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from data.corpora.base import Split
from data.corpora.world_config import MAX_DOCUMENT_TOKENS, WorldConfig
from data.corpora.world_grammar import ABSENT, Grammar, draw, grammar
from data.corpora.world_lexicon import (
    Lexicon,
    Vocabulary,
    draw_lexicon,
    string_ids,
)
from data.errors import UserError, nearest
from data.tasks import MinimalPair, Segment, WordTask

GLOSSARY = "glossary"
BLOCK_DOCUMENTS, HELD_OUT_BITS, MAX_FRUITLESS_BLOCKS = 4096, 3, 20
FREQUENCY_EXPONENT = 0.75
FRAMES = 30
ALIGNED_SENTENCES = 1024
"""Of each pair of languages, over both splits."""

TAGGED = re.compile(r"<(\w+)>[^<]*")


@dataclass(frozen=True, kw_only=True)
class WorldTruth:
    """What was drawn. L languages, C concepts; the first language axis is the source.

    Attributes
    ----------
    exposure : array of int8, shape (L, L, C)
        1 where glossaries pair these two strings (in any direction of languages that uses the same two
        strings in this order), 0 where none does, -1 where nothing is asked: source = target, or a language
        without a share.
    cognate : array of bool, shape (L, L, C)
        Whether the two languages' words are the same string.
    shares_syllable : array of bool, shape (L, L, C)
        Whether the two words have a syllable in common (so do cognates).
    frequency : array of float64, shape (C,)
        Frequencies of the concepts before topics and companions; they sum to 1.
    held_concepts : array of bool, shape (C,)
        Concepts that no glossary holds.
    grammars : tuple of (str, bool)
        A language's word order, and whether its adjectives follow the noun.
    names : tuple of str
        The pool of names.
    held_out_items, held_out_pairs, held_out_disjoint_pairs : int
        Items with exposure 0 and different words; distinct string pairs among them; and those of the distinct
        pairs that share no syllable.
    """

    exposure: NDArray[np.int8]
    cognate: NDArray[np.bool_]
    shares_syllable: NDArray[np.bool_]
    frequency: NDArray[np.float64]
    held_concepts: NDArray[np.bool_]
    grammars: tuple[tuple[str, bool], ...]
    names: tuple[str, ...]
    held_out_items: int
    held_out_pairs: int
    held_out_disjoint_pairs: int


class World:
    """A world as a corpus (see ``data.corpora.base.Corpus``), with its ``truth``.

    Parameters
    ----------
    config : WorldConfig, optional
    shares : mapping of str to float, optional
        Shares of the languages (as of ``data.mixes.Mix.shares``), uniform if absent. They size the streams;
        glossaries pair, and code-switching draws on, only languages with a share.

    Raises
    ------
    UserError
        When the shares name an unknown language or leave fewer than two languages for the glossaries.
    """

    name = "world"

    def __init__(self, config: WorldConfig | None = None, *, shares: Mapping[str, float] | None = None) -> None:
        self.config = config = WorldConfig() if config is None else config
        self.vocabulary = Vocabulary(config.languages, config.syllables)
        self.languages = self.vocabulary.codes
        shares = {code: 1 / config.languages for code in self.languages} if shares is None else shares
        for code in shares:
            if code not in self.languages:
                known, guess = ", ".join(self.languages), nearest(code, self.languages)
                raise UserError(f"world: unknown language '{code}'; expected one of {known}{guess}")
        self.shares = {code: float(shares.get(code, 0)) for code in self.languages}
        total = sum(self.shares.values())
        if min(self.shares.values()) < 0 or not np.isclose(total, 1, rtol=1e-6):
            raise UserError(f"world: the shares sum to {total:g}; expected non-negative shares that sum to 1")
        self.active = np.flatnonzero([self.shares[code] > 0 for code in self.languages])
        if config.glossary_share > 0 and len(self.active) < 2:
            raise UserError(
                f"world: only {self.languages[self.active[0]]} has a share, so glossaries have nothing to "
                "pair; expected two languages or more, or glossary_share: 0"
            )
        words, tables, self._frames, shuffle = np.random.SeedSequence(config.world_seed).spawn(4)
        self.lexicon: Lexicon = draw_lexicon(
            self.vocabulary,
            np.random.default_rng(words),
            concepts=config.concepts,
            names=config.names,
            nonce=config.nonce,
            cognate_rate=config.cognate_rate,
            held_concepts=config.held_concepts,
            coverage=config.coverage,
        )
        self.grammar = Grammar(
            self.vocabulary,
            self.lexicon,
            nouns=config.nouns,
            verbs=config.verbs,
            adjectives=config.adjectives,
            topics=config.topics,
            zipf=config.zipf,
            rng=np.random.default_rng(tables),
            shuffle=np.random.default_rng(shuffle) if config.shuffled else None,
        )

    @cached_property
    def truth(self) -> WorldTruth:
        """What was drawn, to judge a model and the statistics by."""
        lexicon, strings = self.lexicon, string_ids(self.lexicon.forms)
        pairs = strings[:, None] * (1 << 20) + strings[None, :]
        taught = np.zeros_like(lexicon.trained)
        both = np.ix_(self.active, self.active)
        if self.config.glossary_share > 0:
            taught[both] = lexicon.trained[both]
        exposure = np.full(pairs.shape, -1, np.int8)
        exposure[both] = np.isin(pairs[both], pairs[taught])
        exposure[np.eye(len(strings), dtype=bool)] = -1
        cognate = strings[:, None] == strings[None, :]
        shares_syllable = (lexicon.forms[:, None] == lexicon.forms[None, :]).any(axis=-1)
        held_out = (exposure == 0) & ~cognate
        return WorldTruth(
            exposure=exposure,
            cognate=cognate,
            shares_syllable=shares_syllable,
            frequency=self.grammar.frequency,
            held_concepts=lexicon.held_concepts,
            grammars=tuple(grammar(i) for i in range(len(self.languages))),
            names=tuple(map(self.vocabulary.word, lexicon.names)),
            held_out_items=int(held_out.sum()),
            held_out_pairs=len(np.unique(pairs[held_out])),
            held_out_disjoint_pairs=len(np.unique(pairs[held_out & ~shares_syllable])),
        )

    def streams(self) -> dict[str, float | None]:
        """Return the languages with the mix's share, and the glossaries with theirs (if they have one)."""
        glossary = {GLOSSARY: self.config.glossary_share} if self.config.glossary_share else {}
        return {**dict.fromkeys(self.languages), **glossary}

    def stream_tokens(self, stream: str, split: Split) -> int:
        """Return how many tokens the stream has (its last document may exceed them)."""
        if split == "heldout":
            return self.config.heldout_tokens
        glossary = self.config.glossary_share
        share = glossary if stream == GLOSSARY else (1 - glossary) * self.shares[stream]
        return int(np.ceil(self.config.train_tokens * share))

    def token_batches(self, stream: str, split: Split, n_tokens: int | None = None) -> Iterator[NDArray[np.int64]]:
        """Yield the stream's documents as token ids: ``<bos>`` and the document, again and again.

        Parameters
        ----------
        stream, split : str
        n_tokens : int, optional
            Stop with the document that reaches so many tokens; ``stream_tokens`` if absent. A longer stream
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
            rows = self._glossaries(rng) if stream == GLOSSARY else self._texts(stream, rng)
            rows = rows[self._held_out(rows) == (split == "heldout")]
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

    def document_bytes(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the UTF-8 length of each document in a batch of ``token_batches``, shape (documents,)."""
        starts = np.flatnonzero(tokens == Vocabulary.BOS)
        lengths: NDArray[np.int64] = np.add.reduceat(self.vocabulary.lengths[tokens], starts)
        return lengths - len("<bos>") - len(" ")

    def documents(self, stream: str, split: Split) -> Iterator[str]:
        """Yield the documents of a stream as text: the same that ``token_batches`` yields as tokens."""
        for tokens in self.token_batches(stream, split):
            starts = np.flatnonzero(tokens == Vocabulary.BOS)
            for document in np.split(tokens, starts[1:]):
                yield self.vocabulary.text(document[1:])

    def segments(self, stream: str, part: str | None, document: str) -> tuple[Segment, ...]:
        """Return a document in pieces, each with its language: a glossary's end before each tag."""
        if stream != GLOSSARY:
            return ((stream, document),)
        return tuple((piece[1], piece[0]) for piece in TAGGED.finditer(document))

    def aligned(self, first: str, second: str, split: Split) -> Iterator[tuple[str, str]]:
        """Return sentences of two languages that say the same, and as many of every pair of languages.

        A sentence stands in one split only; names are the same in both languages.

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
        latent = self.grammar.latent(rng.integers(0, self.config.topics, n), rng)
        name = self.lexicon.names[rng.integers(0, self.config.names, n)]
        named = rng.random(n) < self.config.name_rate
        said = {place: self.grammar.say(place, latent, name=name, named=named) for place in places}
        chosen = self._held_out(said[places[0]]) == (split == "heldout")
        lines = {self.languages[place]: self._say_frames(place, rows[chosen]) for place, rows in said.items()}
        yield from zip(lines[first], lines[second], strict=True)

    def tokenizer(self) -> Tokenizer:
        """Return the world's word-level tokenizer; ``<bos>`` is token 0."""
        return self.vocabulary.tokenizer()

    def word_task(self) -> WordTask:
        """Return every concept's word in every language, and invented words dealt out among the languages."""
        word, config = self.vocabulary.word, self.config
        classes = (("noun", config.nouns), ("verb", config.verbs), ("adjective", config.adjectives))
        concepts = tuple(f"{kind}{i + 1:02d}" for kind, count in classes for i in range(count))
        nonce = tuple(map(word, self.lexicon.nonce))
        return WordTask(
            languages=self.languages,
            concepts=concepts,
            forms={
                (code, concept): (word(self.lexicon.forms[i, k]),)
                for i, code in enumerate(self.languages)
                for k, concept in enumerate(concepts)
            },
            nonce={code: nonce[i :: len(self.languages)] for i, code in enumerate(self.languages)},
            prompt=GlossaryPrompt(),
            stop=".",
            template=GLOSSARY,
            exposure=self.truth.exposure,
            zipf=np.tile(np.log10(1e9 * self.truth.frequency), (len(self.languages), 1)),
        )

    def minimal_pairs(self) -> tuple[MinimalPair, ...]:
        """Return pairs on agreement (the verb's number) and word order (the side of the adjective).

        Every language says the same latent sentences; a cluster is one of them.
        """
        rng = np.random.default_rng(self._frames)
        frames = self.grammar.latent(rng.integers(0, self.config.topics, FRAMES), rng)
        frames.subject_described[:] = True
        pairs = []
        for i, code in enumerate(self.languages):
            good = self._say_frames(i, self.grammar.say(i, frames))
            bad = {
                "agreement": self._say_frames(i, self.grammar.say(i, frames, break_agreement=True)),
                "word_order": self._say_frames(i, self.grammar.say(i, frames, break_order=True)),
            }
            pairs += [
                MinimalPair(
                    language=code,
                    phenomenon=phenomenon,
                    good=good[k],
                    bad=texts[k],
                    cluster=f"frame{k + 1:02d}",
                )
                for phenomenon, texts in bad.items()
                for k in range(FRAMES)
            ]
        return tuple(pairs)

    def provenance(self) -> dict[str, Any]:
        """Return the settings, from which the same text can be drawn again."""
        return {
            "corpus": self.name,
            "source": "simulated by data.corpora.world",
            "licence": "CC0-1.0",
            "settings": asdict(self.config),
            "shares": self.shares,
        }

    def _say_frames(self, language: int, rows: NDArray[np.int64]) -> list[str]:
        tag = Vocabulary.TAG + language
        return [self.vocabulary.text(np.concatenate([[tag], row[row != ABSENT]])) for row in rows]

    def _texts(self, code: str, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw documents of one language, shape (documents, longest); absent adjectives are ``ABSENT``."""
        config, n, language = self.config, BLOCK_DOCUMENTS, self.languages.index(code)
        topic = rng.integers(0, config.topics, n)
        name = self.lexicon.names[rng.integers(0, config.names, n)]
        columns = [np.tile([Vocabulary.BOS, Vocabulary.TAG + language], (n, 1))]
        for sentence in range(config.sentences):
            latent = self.grammar.latent(topic, rng)
            switched = rng.random((5, n)) < config.code_switch
            switch = np.where(switched, rng.choice(self.active, (5, n)), language)
            named = rng.random(n) < config.name_rate
            said = self.grammar.say(language, latent, switch=switch, name=name, named=named)
            if sentence:
                said = np.where((rng.random(n) < config.repeat_rate)[:, None], columns[-1], said)
            columns.append(said)
        return np.concatenate(columns, axis=1)

    def _glossaries(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw glossary documents, shape (documents, 1 + 7 x entries)."""
        config, n, lexicon = self.config, BLOCK_DOCUMENTS, self.lexicon
        count = len(self.languages)
        directions = np.array([(i, j) for i in self.active for j in self.active if i != j])
        source, target = directions[rng.integers(0, len(directions), n)].T
        weight = lexicon.trained.reshape(count**2, -1) * self.grammar.frequency**FREQUENCY_EXPONENT
        total = weight.sum(axis=1, keepdims=True)
        cumulative = np.cumsum(weight / np.where(total > 0, total, 1), axis=1)
        names_only = total[source * count + target, 0] == 0
        columns = [np.full((n, 1), Vocabulary.BOS)]
        for _ in range(config.glossary_entries):
            concept = draw(cumulative, source * count + target, rng)
            named = ((rng.random(n) < config.glossary_name_rate) | names_only)[:, None]
            name = lexicon.names[rng.integers(0, config.names, n)]
            columns += [
                Vocabulary.TAG + source[:, None],
                np.where(named, name, lexicon.forms[source, concept]),
                Vocabulary.TAG + target[:, None],
                np.where(named, name, lexicon.forms[target, concept]),
                np.full((n, 1), Vocabulary.DOT),
            ]
        return np.concatenate(columns, axis=1)

    @staticmethod
    def _held_out(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which documents are held out, shape (documents,): one in eight, by a hash of the tokens.

        The same document always falls on the same side, so no document is in both splits.
        """
        said = rows != ABSENT
        place = np.cumsum(said, axis=1) - 1
        keys = np.random.default_rng(0).integers(0, 1 << 63, MAX_DOCUMENT_TOKENS, dtype=np.uint64)
        mixed = np.where(said, (rows + 1).astype(np.uint64) * keys[place], np.uint64(0)).sum(axis=1)
        held: NDArray[np.bool_] = (mixed >> np.uint64(64 - HELD_OUT_BITS)) == 0
        return held


class GlossaryPrompt:
    """The beginning of a glossary entry, up to the answer."""

    def __call__(self, source: str, target: str, word: str, concept: str | None) -> str:
        """Return the text before the answer."""
        return f"<{source}> {word} <{target}>"

    def segments(self, source: str, target: str, word: str, concept: str | None) -> tuple[Segment, ...]:
        """Return the same text in pieces, each with its language."""
        return (source, f"<{source}> {word}"), (target, f" <{target}>")

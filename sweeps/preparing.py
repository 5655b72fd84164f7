"""Data of a run: corpus, tokenizer, token shards, and what is asked; prepared once and shared between runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray
from tokenizers import Tokenizer

from data import shards, tokenizers
from data.corpora.base import Corpus
from data.corpora.world import World
from data.errors import UserError
from data.mixes import stream_shares
from data.sampler import Sampler
from data.tasks import MinimalPair, WordTask
from models.scoring.scorer import Scorer
from models.scoring.texts import HeldOut, MinimalPairScorer
from models.scoring.words import WordScorer
from sweeps.config import RunConfig


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a run needs besides its configuration.

    Attributes
    ----------
    corpus : Corpus
    shards : Shards
        With the tokenizer they were made with.
    task : WordTask
        What is asked; ``overlap`` is its int8 array of shape (L, L, C) for the cube.
    """

    corpus: Corpus
    shards: shards.Shards
    task: WordTask
    overlap: NDArray[np.int8]

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer the shards were made with."""
        return self.shards.tokenizer

    @property
    def shards_sha256(self) -> str:
        """One hash over the training shards' hashes."""
        joined = "".join(f"{name}{shard.sha256}" for name, shard in sorted(self.shards.train.items()))
        return hashlib.sha256(joined.encode()).hexdigest()


def home() -> Path:
    """Return the folder for prepared data: ``CALQUE_HOME``, by default the platform's user cache."""
    return Path(os.environ.get("CALQUE_HOME") or platformdirs.user_cache_dir("calque")).expanduser().absolute()


def corpus_of(config: RunConfig) -> Corpus:
    """Return the corpus of a run."""
    if config.corpus == "sample":
        from data.corpora.sample import SampleCorpus

        return SampleCorpus(config.sample)
    return World(config.world, shares=config.parsed_mix().shares)


def shards_folder(config: RunConfig) -> Path:
    """Return where the run's shards stand: runs of one corpus, mix of its text and tokenizer share them."""
    recipe = {"world": asdict(config.world), "shares": config.parsed_mix().shares}
    if config.corpus == "sample":
        recipe = {"sample": asdict(config.sample)}
    key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
    return home() / "shards" / f"{config.corpus}-{key}"


def prepare(config: RunConfig) -> Prepared:
    """Make the run's shards if they are not there, and return everything it needs.

    Raises
    ------
    UserError
        When the world's text is too short for the run, or the data cannot be written.
    """
    corpus, folder = corpus_of(config), shards_folder(config)
    if config.corpus == "world" and config.world.train_tokens < config.training.tokens:
        raise UserError(
            f"run '{config.name}' trains on {config.training.tokens} tokens but the world has "
            f"{config.world.train_tokens}; raise world.train_tokens"
        )
    made = shards.Shards.open(folder) if folder.exists() else None
    if made is None:
        made = shards.prepare(corpus, corpus.tokenizer(), folder)
    task = corpus.word_task()
    overlap = tokenizers.overlap_table(made.tokenizer, task)
    return Prepared(corpus=corpus, shards=made, task=task, overlap=overlap)


def prepare_all(runs: tuple[RunConfig, ...]) -> Iterator[tuple[str, bool, Path]]:
    """Prepare each different data set of the runs; yield the first run's name, whether it was made, and its folder."""
    seen: set[Path] = set()
    for run in runs:
        folder = shards_folder(run)
        if folder in seen:
            continue
        seen.add(folder)
        there = folder.exists()
        prepare(run)
        yield run.name, not there, folder


def sampler_of(config: RunConfig, prepared: Prepared) -> Sampler:
    """Return the sampler that gives the batch of every step."""
    return Sampler(
        prepared.shards, stream_shares(prepared.corpus.streams(), config.parsed_mix()),
        context=config.training.context, batch_size=config.training.batch_size, data_seed=config.data_seed,
    )  # fmt: skip


def scorer_of(config: RunConfig, prepared: Prepared) -> Scorer:
    """Return what scores a model of this run at every checkpoint."""
    languages = prepared.task.languages
    pairs = _first_pairs(prepared.corpus.minimal_pairs(), config.evaluation.minimal_pairs)
    return Scorer(
        WordScorer(prepared.task, prepared.tokenizer, config.evaluation.concepts),
        MinimalPairScorer(pairs, prepared.tokenizer, languages),
        {code: _held_out(config, prepared, code) for code in languages if code in prepared.shards.heldout},
        languages,
    )


def _held_out(config: RunConfig, prepared: Prepared, code: str) -> HeldOut:
    shard, width = prepared.shards.heldout[code], config.training.context + 1
    count = min(max(1, config.evaluation.heldout_tokens // width), shard.tokens // width)
    windows = np.asarray(shard.ids[: count * width], np.int64).reshape(count, width)
    return HeldOut(windows=windows, bytes_per_token=shard.text_bytes / max(1, shard.tokens))


def _first_pairs(pairs: tuple[MinimalPair, ...], most: int | None) -> tuple[MinimalPair, ...]:
    """Keep at most so many a language and phenomenon, one of every cluster before a second of any."""
    if most is None:
        return pairs
    rank: dict[tuple[str, str, str], int] = {}
    ordered: dict[tuple[str, str], list[tuple[int, int, MinimalPair]]] = {}
    for place, pair in enumerate(pairs):
        key = (pair.language, pair.phenomenon, pair.cluster)
        rank[key] = rank.get(key, -1) + 1
        ordered.setdefault(key[:2], []).append((rank[key], place, pair))
    return tuple(pair for group in ordered.values() for _, _, pair in sorted(group, key=lambda e: e[:2])[:most])

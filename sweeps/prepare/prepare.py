"""Data of a run: corpus, tokenizer, token shards, and what is asked; prepared once and shared between runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from calque.data.corpora.text.folder import text_files
from calque.data.corpora.world.corpus import World
from calque.data.corpus import Corpus, PartedCorpus
from calque.data.errors import UserError
from calque.data.home import home
from calque.data.mixes.ablations import changed, changed_pairs
from calque.data.mixes.mix import Mix, stream_shares
from calque.data.shards import shards
from calque.data.shards.folder import SCHEMA
from calque.data.shards.sampler import Sampler
from calque.data.shards.shards import OnProgress, Progress, Shards
from calque.data.tasks import MinimalPair, WordTask
from calque.data.tokens import choice as tokenizer_choice
from calque.data.tokens.encoding import Encoding
from calque.data.words.multiblimp import read_pairs
from calque.sweeps.study.run_config import RunConfig

NOT_OF_TEXT = ("shots", "shot_seed", "template", "attempts")
"""Keys of a section that change what is asked or how text is fetched, not the text."""
SHARED = "CALQUE_SHARDS"
"""Environment variable: an fsspec address under which machines share token shards."""


@runtime_checkable
class PreparableCorpus(Protocol):
    """A corpus whose text is fetched and cleaned before it can be read."""

    def prepare(self, report: Callable[[str, int, int], None]) -> object:
        """Fetch and clean what is missing; tell ``report`` what is being done, and how many steps of how many are."""
        ...


@dataclass(frozen=True, kw_only=True)
class RunData:
    """What a run needs besides its configuration.

    Attributes
    ----------
    corpus : Corpus
        As the mix has it.
    shards : Shards
        With the tokenizer they were made with.
    mix : Mix
        With the shares that follow from the amount of text.
    task : WordTask
        The words asked.
    pairs : tuple of MinimalPair
        The minimal pairs asked: the corpus's, and those of the evaluation's file.
    """

    corpus: Corpus
    shards: Shards
    mix: Mix
    task: WordTask
    pairs: tuple[MinimalPair, ...]

    @cached_property
    def encoding(self) -> Encoding:
        """How text becomes the shards' token ids."""
        return Encoding(self.shards.tokenizer, self.shards.blocks)


@dataclass(frozen=True, kw_only=True)
class PreparedDataset:
    """One data set of a study.

    Attributes
    ----------
    runs : tuple of RunConfig
        Those that use it.
    made : bool
        Whether it was made now; otherwise it was there.
    shards : Shards
    """

    runs: tuple[RunConfig, ...]
    made: bool
    shards: Shards


def corpus_of(config: RunConfig) -> Corpus:
    """Return the corpus of a run, as its mix has it."""
    mix = config.parsed_mix()
    return changed(_plain_corpus(config, mix), mix)


def _plain_corpus(config: RunConfig, mix: Mix) -> Corpus:
    match config.corpus:
        case "sample":
            from calque.data.corpora.sample import SampleCorpus

            return SampleCorpus(config.sample)
        case "debian":
            from calque.data.corpora.debian.corpus import DebianCorpus

            return DebianCorpus(config.debian)
        case "text":
            from calque.data.corpora.text.corpus import TextCorpus

            return TextCorpus(config.text)
        case "hub":
            from calque.data.corpora.hub.corpus import HubCorpus

            return HubCorpus(config.hub)
        case "world":
            return World(config.world, shares=mix.shares)


def shards_folder(config: RunConfig) -> Path:
    """Return where the run's shards stand: runs of the same text and tokenizer share them.

    Raises
    ------
    UserError
        When the files that decide it, a user's text or tokenizer, cannot be found.
    """
    mix = config.parsed_mix()
    recipe: dict[str, Any] = {"schema": SCHEMA, "corpus": config.corpus, "changes": mix.text_changes()}
    if config.real_text is None:
        recipe |= {"world": asdict(config.world), "shares": mix.shares}
    else:
        section = {name: value for name, value in asdict(config.real_text).items() if name not in NOT_OF_TEXT}
        recipe |= {"section": section, "tokenizer": tokenizer_choice.identity(section.pop("tokenizer"))}
    if config.corpus == "text":
        files = text_files(config.text)
        recipe["files"] = {code: [(file.name, file.bytes, file.changed) for file in files[code]] for code in files}
        del recipe["section"]["folder"]
    key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
    return home() / "shards" / f"{config.corpus}-{key}"


def make_shards(
    config: RunConfig, workers: int | None = None, on_progress: OnProgress = lambda progress: None
) -> Shards:
    """Return the run's shards, made if they are neither there nor at the address that ``CALQUE_SHARDS`` names.

    Parameters
    ----------
    config : RunConfig
    workers : int, optional
        Processes that tokenise; by default one for each core where the corpus comes in parts worth it.
    on_progress : callable
        Called a few times a second while they are made.

    Raises
    ------
    UserError
        When the world's text is too short for the run, the text cannot be had, or the data cannot be written.
    """
    _check_text_suffices(config)
    folder = shards_folder(config)
    address = os.environ.get(SHARED, "").rstrip("/")
    if address:
        from calque.data.shards import remote as remote_shards

        return remote_shards.shared(
            f"{address}/{folder.name}", folder, lambda: _make_shards(config, folder, workers, on_progress)
        )
    return Shards.open(folder) if folder.exists() else _make_shards(config, folder, workers, on_progress)


def _make_shards(config: RunConfig, folder: Path, workers: int | None, on_progress: OnProgress) -> Shards:
    mix = config.parsed_mix()
    plain = _plain_corpus(config, mix)
    if isinstance(plain, PreparableCorpus):
        plain.prepare(lambda doing, done, of: on_progress(Progress(doing=doing, parts=of, parts_done=done)))
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if isinstance(plain, PartedCorpus) else 1
    corpus = changed(plain, mix)
    return shards.prepare(corpus, corpus.tokenizer, folder, workers=workers, on_progress=on_progress)


def prepare(config: RunConfig) -> RunData:
    """Make the run's shards if they are not there, and return everything it needs.

    Raises
    ------
    UserError
        As :func:`make_shards`.
    """
    made, corpus = make_shards(config), corpus_of(config)
    pairs = corpus.minimal_pairs() + _pairs_of_file(config)
    return RunData(corpus=corpus, shards=made, mix=mix_of(config, made), task=corpus.word_task(), pairs=pairs)


def _pairs_of_file(config: RunConfig) -> tuple[MinimalPair, ...]:
    """Return the minimal pairs of the evaluation's file, as the mix has text; none without a file."""
    file = config.evaluation.minimal_pairs_file
    return () if file is None else changed_pairs(read_pairs(file, config.languages()), config.parsed_mix())


def mix_of(config: RunConfig, made: Shards) -> Mix:
    """Return the run's mix with the shares that follow from the amount of training text, in bytes."""
    if config.real_text is None:  # the world's text is as long as the shares say
        return config.parsed_mix()
    return config.parsed_mix({code: float(made.train[code].text_bytes) for code in config.languages()})


def prepare_all(
    runs: tuple[RunConfig, ...], workers: int | None = None, on_progress: OnProgress = lambda progress: None
) -> Iterator[PreparedDataset]:
    """Make each different data set of the runs; yield one after the other."""
    users: dict[Path, list[RunConfig]] = {}
    for run in runs:
        _check_text_suffices(run)
        _pairs_of_file(run)
        if run.parsed_mix().text_changes():
            corpus_of(run)
        users.setdefault(shards_folder(run), []).append(run)
    for folder, those in users.items():
        there = folder.exists()
        yield PreparedDataset(runs=tuple(those), made=not there, shards=make_shards(those[0], workers, on_progress))


def _check_text_suffices(config: RunConfig) -> None:
    if config.corpus == "world" and config.world.train_tokens < config.training.tokens:
        raise UserError(
            f"run '{config.name}' trains on {config.training.tokens} tokens but the world has "
            f"{config.world.train_tokens}; raise world.train_tokens"
        )


def sampler_of(config: RunConfig, prepared: RunData) -> Sampler:
    """Return the sampler that gives the batch of every step."""
    return Sampler(
        prepared.shards, stream_shares(prepared.corpus.streams(), prepared.mix),
        context=config.training.context, batch_size=config.training.batch_size, data_seed=config.data_seed,
    )  # fmt: skip

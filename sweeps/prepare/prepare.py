"""Data of a run: corpus, tokenizer, token shards and questions; prepared once and shared between runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from calque.data.corpora.text.folder import text_files
from calque.data.corpora.world.corpus import World
from calque.data.corpora.world.opening import OPENING
from calque.data.corpus import Corpus, PartedCorpus
from calque.data.errors import UserError
from calque.data.home import home
from calque.data.mixes.ablations import changed, changed_pairs
from calque.data.mixes.mix import Mix, stream_shares
from calque.data.processes import cores
from calque.data.shards import shards
from calque.data.shards.folder import SCHEMA
from calque.data.shards.opening import OpeningSampler
from calque.data.shards.sampler import Sampler
from calque.data.shards.shards import OnProgress, Progress, Shards
from calque.data.tasks import MinimalPair, WordTask
from calque.data.tokens import choice as tokenizer_choice
from calque.data.tokens.encoding import Encoding
from calque.data.words.multiblimp import read_pairs
from calque.sweeps.study.run_config import RunConfig

NOT_OF_TEXT = ("shots", "shot_seed", "template", "attempts")
"""Keys of a corpus section that change the questions or how text is fetched, not the text itself."""
SHARED = "CALQUE_SHARDS"
"""Environment variable: an fsspec address under which machines share token shards."""


@runtime_checkable
class PreparableCorpus(Protocol):
    """A corpus whose text is fetched and cleaned before it can be read."""

    def prepare(self, report: Callable[[str, int, int], None]) -> object:
        """Fetch and clean what is missing; ``report`` is called with a description, the steps done, and all steps."""
        ...


@dataclass(frozen=True, kw_only=True)
class RunData:
    """The data of a run.

    Attributes
    ----------
    corpus : Corpus
        With the changes of the mix.
    shards : Shards
        Token shards, with their tokenizer.
    mix : Mix
        With the shares computed from the amount of text.
    task : WordTask
        The word questions.
    pairs : tuple of MinimalPair
        Of the corpus, and of the evaluation's file.
    """

    corpus: Corpus
    shards: Shards
    mix: Mix
    task: WordTask
    pairs: tuple[MinimalPair, ...]

    @cached_property
    def encoding(self) -> Encoding:
        """Encodes text as the token ids of the shards."""
        return Encoding(self.shards.tokenizer, self.shards.blocks)


@dataclass(frozen=True, kw_only=True)
class PreparedDataset:
    """One data set of a study, shared by its runs.

    Attributes
    ----------
    runs : tuple of RunConfig
        Those that use it.
    is_new : bool
        Whether it was prepared now; otherwise it existed.
    shards : Shards
    """

    runs: tuple[RunConfig, ...]
    is_new: bool
    shards: Shards


def corpus_of(config: RunConfig) -> Corpus:
    """Return the corpus of the run ``config``, with the changes of its mix."""
    mix = config.parsed_mix()
    return changed(_plain_corpus(config, mix), mix)


def _plain_corpus(config: RunConfig, mix: Mix) -> Corpus:
    match config.corpus:
        case "sample":
            from calque.data.corpora.sample import SampleCorpus

            return SampleCorpus(config.sample)
        case "debian":
            from calque.data.corpora.debian.corpus import DebianCorpus

            return DebianCorpus(config.debian, words=config.evaluation.words)
        case "text":
            from calque.data.corpora.text.corpus import TextCorpus

            return TextCorpus(config.text)
        case "hub":
            from calque.data.corpora.hub.corpus import HubCorpus

            return HubCorpus(config.hub)
        case "world":
            return World(config.world, shares=mix.shares)


def shards_folder(config: RunConfig) -> Path:
    """Return the folder of the shards of the run ``config``; runs of the same text and tokenizer share it.

    Raises
    ------
    UserError
        When the user's text or tokenizer, on which it depends, cannot be found.
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
    """Return the run's shards; they are made unless they exist here or at the address in ``CALQUE_SHARDS``.

    Parameters
    ----------
    config : RunConfig
    workers : int, optional
        Processes that tokenise; by default one for each core where the corpus has parts, else one.
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
        workers = cores() if isinstance(plain, PartedCorpus) else 1
    corpus = changed(plain, mix)
    return shards.prepare(corpus, corpus.tokenizer, folder, workers=workers, on_progress=on_progress)


def prepare(config: RunConfig) -> RunData:
    """Return the data of the run ``config``; shards are made where they are missing.

    Raises
    ------
    UserError
        As :func:`make_shards`.
    """
    found, corpus = make_shards(config), corpus_of(config)
    pairs = corpus.minimal_pairs() + _pairs_of_file(config)
    return RunData(corpus=corpus, shards=found, mix=mix_of(config, found), task=corpus.word_task(), pairs=pairs)


def _pairs_of_file(config: RunConfig) -> tuple[MinimalPair, ...]:
    """Return the minimal pairs of the evaluation's file, with the changes of the mix; none without a file."""
    file = config.evaluation.minimal_pairs_file
    return () if file is None else changed_pairs(read_pairs(file, config.languages()), config.parsed_mix())


def mix_of(config: RunConfig, found: Shards) -> Mix:
    """Return the mix of the run ``config`` with the shares computed from the bytes of training text in ``found``."""
    if config.real_text is None:  # the world generates text in these shares
        return config.parsed_mix()
    return config.parsed_mix({code: float(found.train[code].text_bytes) for code in config.languages()})


def prepare_all(
    runs: tuple[RunConfig, ...], workers: int | None = None, on_progress: OnProgress = lambda progress: None
) -> Iterator[PreparedDataset]:
    """Prepare the data sets of ``runs``, each once, and yield one after the other.

    ``workers``, ``on_progress`` and the errors are those of :func:`make_shards`.
    """
    users: dict[Path, list[RunConfig]] = {}
    for run in runs:
        _check_text_suffices(run)
        _pairs_of_file(run)
        if run.parsed_mix().text_changes():
            corpus_of(run)
        users.setdefault(shards_folder(run), []).append(run)
    for folder, sharing in users.items():
        existed = folder.exists()
        found = make_shards(sharing[0], workers, on_progress)
        yield PreparedDataset(runs=tuple(sharing), is_new=not existed, shards=found)


def _check_text_suffices(config: RunConfig) -> None:
    if config.corpus != "world":
        return
    if config.world.opening >= config.training.tokens:
        raise UserError(
            f"run '{config.name}' begins with {config.world.opening} tokens of other text, and trains on "
            f"{config.training.tokens}; expected fewer in world.copying_first or no_copying_first"
        )
    if config.world.train_tokens < config.training.tokens:
        raise UserError(
            f"run '{config.name}' trains on {config.training.tokens} tokens but the world has "
            f"{config.world.train_tokens}; raise world.train_tokens"
        )


def sampler_of(config: RunConfig, prepared: RunData) -> Sampler | OpeningSampler:
    """Return the sampler of the training batches of the run ``config`` from its data ``prepared``."""

    def sampler(shares: Mapping[str, float]) -> Sampler:
        return Sampler(
            prepared.shards, shares, context=config.training.context, batch_size=config.training.batch_size,
            data_seed=config.data_seed,
        )  # fmt: skip

    rest = sampler(stream_shares(prepared.corpus.streams(), prepared.mix))
    if config.corpus != "world" or not config.world.opening:
        return rest
    return OpeningSampler(sampler({OPENING: 1.0}), rest, config.world.opening)

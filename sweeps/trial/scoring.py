"""What is scored at the checkpoints of a run."""

from __future__ import annotations

import numpy as np

from calque.data.tasks import MinimalPair
from calque.models.scoring.scorer import Scorer
from calque.models.scoring.selection import EVERYTHING, Selection
from calque.models.scoring.texts import HeldOut, MinimalPairScorer
from calque.models.scoring.words import WordScorer
from calque.sweeps.prepare.prepare import RunData
from calque.sweeps.study.run_config import RunConfig


def scorer_of(
    config: RunConfig, prepared: RunData, selection: Selection = EVERYTHING, log: Selection | None = None
) -> Scorer:
    """Return the scorer of a run.

    Parameters
    ----------
    config : RunConfig
    prepared : RunData
        The run's data.
    selection : Selection
        Which tasks are asked, and how many of their items.
    log : Selection, optional
        Of the answers that are logged.
    """
    languages = prepared.task.languages
    pairs = first_pairs(prepared.pairs, config.evaluation.minimal_pairs)
    return Scorer(
        WordScorer(prepared.task, prepared.encoding, config.evaluation.concepts, selection),
        MinimalPairScorer(pairs, prepared.encoding, languages, selection),
        {
            code: _held_out(config, prepared, code)
            for code in languages if code in prepared.shards.heldout and "loss" in selection.tasks
        },
        languages,
        log,
    )  # fmt: skip


def _held_out(config: RunConfig, prepared: RunData, code: str) -> HeldOut:
    shard, width = prepared.shards.heldout[code], config.training.context + 1
    count = min(max(1, config.evaluation.heldout_tokens // width), shard.tokens // width)
    windows = np.asarray(shard.ids[: count * width], np.int64).reshape(count, width)
    return HeldOut(windows=windows, bytes_per_token=shard.text_bytes / max(1, shard.tokens))


def first_pairs(pairs: tuple[MinimalPair, ...], most: int | None) -> tuple[MinimalPair, ...]:
    """Return the first pairs of every language and phenomenon, taking one of each cluster before a second of any.

    Parameters
    ----------
    pairs : tuple of MinimalPair
    most : int, optional
        Pairs of a language and phenomenon; None returns all.
    """
    if most is None:
        return pairs
    rank: dict[tuple[str, str, str], int] = {}
    ordered: dict[tuple[str, str], list[tuple[int, int, MinimalPair]]] = {}
    for place, pair in enumerate(pairs):
        key = (pair.language, pair.phenomenon, pair.cluster)
        rank[key] = rank.get(key, -1) + 1
        ordered.setdefault(key[:2], []).append((rank[key], place, pair))
    return tuple(pair for group in ordered.values() for _, _, pair in sorted(group, key=lambda e: e[:2])[:most])


def scored_at(config: RunConfig, step: int) -> tuple[bool, bool]:
    """Return whether minimal pairs, and the log-probabilities of words, are scored at a checkpoint.

    They are at every k-th planned checkpoint, the first and the last; with k = 1 at adaptive checkpoints too.

    Parameters
    ----------
    config : RunConfig
        ``evaluation`` has k for each.
    step : int
        Of the checkpoint.
    """
    evaluation = config.evaluation
    return _due(config, step, evaluation.minimal_pairs_every), _due(config, step, evaluation.logprobs_every)


def probed_at(config: RunConfig, step: int) -> bool:
    """Return whether heads are probed at a checkpoint, as :func:`scored_at` tells for what is scored.

    Parameters
    ----------
    config : RunConfig
    step : int
        Of the checkpoint.
    """
    return bool(config.evaluation.probes) and _due(config, step, config.evaluation.probes_every)


def _due(config: RunConfig, step: int, every: int) -> bool:
    steps = config.checkpoint_steps()
    place = steps.index(step) if step in steps else None
    return every == 1 or (place is not None and (place % every == 0 or step == steps[-1]))

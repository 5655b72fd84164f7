"""What is probed at the checkpoints of a run while it trains, and attributed to its training text between them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import xarray as xr

from calque.data.errors import UserError
from calque.data.shards.opening import OpeningSampler
from calque.data.shards.sampler import Sampler
from calque.models.attribution.language_attribution import LanguageAttribution
from calque.models.attribution.pair_losses import PairLosses
from calque.models.components.token_sets import TokenSet, tokens_of_words
from calque.models.decoder.decoder import Decoder
from calque.models.probing.asked import Asked
from calque.models.probing.one_model import probe_model
from calque.models.reading.families import model_parts
from calque.models.scoring.words import WordScorer
from calque.sweeps.prepare.prepare import RunData
from calque.sweeps.study.run_config import RunConfig

ATTRIBUTION = "attribution"
"""Group of the run's cube."""


@dataclass(frozen=True, kw_only=True)
class CheckpointProbes:
    """What is probed at a checkpoint.

    Attributes
    ----------
    asked : Asked
    sets : tuple of TokenSet
        Tokens of the prompts.
    words : WordScorer
        Knows the words and their tokens.
    attributes : mapping of str to mapping
        Of each group in the run's cube.
    context : int
        Most tokens of a prompt.
    """

    asked: Asked
    sets: tuple[TokenSet, ...]
    words: WordScorer
    attributes: Mapping[str, Mapping[str, Any]]
    context: int

    def __call__(self, model: Decoder, sha256: str) -> dict[str, xr.Dataset]:
        """Return the scores of a ``model`` in evaluation mode, whose weights have this ``sha256``: a row a group."""
        found = probe_model(model_parts(model), self.sets, self.asked, words=self.words, context=self.context)
        return {group: row.assign(sha256=((), sha256)).drop_attrs(deep=False) for group, row in found.items()}


def probes_of(config: RunConfig, data: RunData, words: WordScorer) -> CheckpointProbes | None:
    """Return what a run probes at its checkpoints; None where it probes nothing.

    Parameters
    ----------
    config : RunConfig
    data : RunData
        The run's data.
    words : WordScorer
        Of the run.

    Raises
    ------
    UserError
        When its words have too few tokens for the prompts.
    """
    if not config.evaluation.probes:
        return None
    asked, sets = config.evaluation.asked(), tokens_of_words(data.task, data.encoding)
    fewest = min(len(one.tokens) for one in sets)
    if fewest < 2 * asked.heads.half:
        raise UserError(
            f"run '{config.name}' probes heads with prompts of {2 * asked.heads.half} different tokens, and its "
            f"words have {fewest}; lower evaluation.probe_length to {fewest // 2}"
        )
    return CheckpointProbes(
        asked=asked, sets=sets, words=words, attributes=asked.attributes({"run": config.to_dict()}),
        context=config.training.context,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RunAttribution:
    """The attribution of a run.

    Attributes
    ----------
    observer : LanguageAttribution
        Of its steps.
    attributes : mapping of str to value
        Of the group.
    """

    observer: LanguageAttribution
    attributes: Mapping[str, Any]

    def row(self, sha256: str) -> xr.Dataset | None:
        """Return the changes since the checkpoint before, with the ``sha256`` of its weights; None at the first."""
        table = self.observer.table
        return None if table is None else table.assign(sha256=((), sha256))


def attribution_of(config: RunConfig, data: RunData, text: Sampler | OpeningSampler) -> RunAttribution | None:
    """Return the attribution of a run; None where it asks for none.

    Parameters
    ----------
    config : RunConfig
    data : RunData
        The run's data.
    text : Sampler or OpeningSampler
        Of its training batches.

    Raises
    ------
    UserError
        When its pairs of languages have too few questions.
    """
    asked = config.training.attribution
    if asked is None:
        return None
    scorer = WordScorer(data.task, data.encoding, asked.concepts)
    losses = PairLosses(scorer, asked.places(data.task.languages), asked.clusters)
    said = json.dumps(asdict(asked), sort_keys=True)
    return RunAttribution(
        observer=LanguageAttribution(asked, losses, text),
        attributes={
            "level": asked.level, "settings_json": said,
            "identity": hashlib.sha256(f"{config.run_id} {said}".encode()).hexdigest()[:12],
        },
    )  # fmt: skip

"""What is probed at the checkpoints of a run while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from calque.data.errors import UserError
from calque.models.components.token_sets import TokenSet, tokens_of_words
from calque.models.decoder.decoder import Decoder
from calque.models.probing.asked import Asked
from calque.models.probing.one_model import probe_model
from calque.models.reading.families import model_parts
from calque.models.scoring.words import WordScorer
from calque.sweeps.prepare.prepare import RunData
from calque.sweeps.study.run_config import RunConfig


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
    """

    asked: Asked
    sets: tuple[TokenSet, ...]
    words: WordScorer
    attributes: Mapping[str, Mapping[str, Any]]

    def __call__(self, model: Decoder, sha256: str) -> dict[str, xr.Dataset]:
        """Return the scores of a ``model`` in evaluation mode, whose weights have this ``sha256``: a row a group."""
        found = probe_model(model_parts(model), self.sets, self.asked, words=self.words)
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
    if fewest < 2 * asked.heads.length:
        raise UserError(
            f"run '{config.name}' probes heads with prompts of {2 * asked.heads.length} different tokens, and its "
            f"words have {fewest}; lower evaluation.probe_length to {fewest // 2}"
        )
    return CheckpointProbes(asked=asked, sets=sets, words=words, attributes=asked.attributes({"run": config.to_dict()}))

"""What a run attributes to the languages of its training text while it trains."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import xarray as xr

from calque.data.shards.opening import OpeningSampler
from calque.data.shards.sampler import Sampler
from calque.models.attribution.language_attribution import LanguageAttribution
from calque.models.attribution.pair_losses import PairLosses
from calque.models.scoring.words import WordScorer
from calque.sweeps.prepare.prepare import RunData
from calque.sweeps.study.run_config import RunConfig

GROUP = "attribution"
"""Of the run's cube."""


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

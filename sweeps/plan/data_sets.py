"""The data sets of a study on disk: token shards, which runs of the same text and tokenizer share."""

from __future__ import annotations

from dataclasses import dataclass

from calque.sweeps.plan.repetition import Text
from calque.sweeps.study.run_config import RunConfig

SMALL_VOCABULARY = 2**16
"""Up to so many tokens an id takes two bytes, beyond it four."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Token shards that runs share.

    Attributes
    ----------
    name : str
        Of their folder.
    runs : int
        How many use them.
    shard_bytes : float or None
        On disk, once on every node or at ``CALQUE_SHARDS``; None where it is not known before they are made.
    measured : bool
        Whether they are there; otherwise the bytes are expected.
    """

    name: str
    runs: int
    shard_bytes: float | None
    measured: bool


def expected_shard_bytes(run: RunConfig, text: Text | None) -> float | None:
    """Return the bytes that the shards of a run's text will take, without what is held out and aligned lines.

    Parameters
    ----------
    run : RunConfig
    text : Text, optional
        None gives None.
    """
    if text is None:
        return None
    of_a_token = 2 if run.vocab_size() <= SMALL_VOCABULARY else 4
    return of_a_token * sum(text.tokens.values())

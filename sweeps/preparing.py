"""Data of a run: corpus, tokenizer, token shards, and what is asked; prepared once and shared between runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray
from tokenizers import Tokenizer

from data import shards, tokenizers
from data.corpora.base import Corpus
from data.corpora.sample import SampleCorpus
from data.corpora.world import World
from data.sampler import Sampler
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
    tokenizer : Tokenizer
    tokenizer_hash : str
        SHA-256.
    shards : Shards
    overlap, exposure : int8 arrays, shape (L, L, C)
        The cube's variables of these names.
    """

    corpus: Corpus
    tokenizer: Tokenizer
    tokenizer_hash: str
    shards: shards.Shards
    overlap: NDArray[np.int8]
    exposure: NDArray[np.int8] | None


def home() -> Path:
    """Return the folder for prepared data: ``CALQUE_HOME``, by default the platform's user cache."""
    return Path(os.environ.get("CALQUE_HOME") or platformdirs.user_cache_dir("calque")).expanduser().absolute()

"""Rough cost estimate of scoring a run's checkpoints: held-out text and words."""

from __future__ import annotations

from calque.data.words.words import words
from calque.sweeps.study.run_config import RunConfig

TOKENS_A_QUESTION = 19
"""Tokens read for one word question on real text with two shots, with answer (docs/benchmarks/scoring.md)."""


def scoring_flops(run: RunConfig, checkpoints: int, flops_per_token: int) -> float:
    """Return the FLOPs of scoring a run's checkpoints, without minimal pairs and invented words.

    Parameters
    ----------
    run : RunConfig
    checkpoints : int
    flops_per_token : int
        Of training; a forward pass takes a third.
    """
    languages = len(run.languages())
    concepts = run.world.concepts if run.corpus == "world" else len(words(run.languages()).concepts)
    concepts = min(concepts, run.evaluation.concepts or concepts)
    tokens = run.evaluation.heldout_tokens * languages + TOKENS_A_QUESTION * concepts * languages**2
    return checkpoints * tokens * flops_per_token / 3

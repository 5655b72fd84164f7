"""What scoring a run's checkpoints will cost: a rough reckoning of held-out text and words."""

from __future__ import annotations

from calque.data.words.words import words
from calque.sweeps.study.run_config import RunConfig

TOKENS_A_QUESTION = 19
"""Read for one word asked of real text with two shots, forms and answer included (docs/benchmarks/scoring.md)."""


def scoring_flops(run: RunConfig, checkpoints: int, flops_per_token: int) -> float:
    """Return the FLOPs of scoring so many checkpoints; minimal pairs and invented words are not reckoned.

    Parameters
    ----------
    run : RunConfig
    checkpoints : int
    flops_per_token : int
        Training's, of which reading alone takes a third.
    """
    languages = len(run.languages())
    concepts = run.world.concepts if run.corpus == "world" else len(words(run.languages()).concepts)
    concepts = min(concepts, run.evaluation.concepts or concepts)
    tokens = run.evaluation.heldout_tokens * languages + TOKENS_A_QUESTION * concepts * languages**2
    return checkpoints * tokens * flops_per_token / 3

"""Rough cost estimate of a run's checkpoints: held-out text, words, and probes of heads."""

from __future__ import annotations

from calque.data.words.words import words
from calque.models.components.head_cost import head_flops
from calque.models.config.sizes import DecoderConfig
from calque.models.layers.layer_cost import layer_flops
from calque.models.word_ablations.ablation_cost import ablation_flops
from calque.sweeps.study.run_config import RunConfig

SPEED = 0.47
"""FLOP/s of scoring by those of training, measured at width 512 on a CPU (docs/benchmarks/scoring.md); not on a GPU."""
TOKENS_A_QUESTION = 19
"""Tokens read for one word question on real text with two shots, with answer (docs/benchmarks/scoring.md)."""
TOKENS_A_WORD = 4
"""Tokens of a word alone, with the one that begins a text."""


def scoring_flops(run: RunConfig, checkpoints: int, flops_per_token: int) -> float:
    """Return the FLOPs of scoring a run's checkpoints, without minimal pairs and invented words.

    Parameters
    ----------
    run : RunConfig
    checkpoints : int
    flops_per_token : int
        Of training; a forward pass takes a third.
    """
    languages, concepts = len(run.languages()), _concepts(run)
    concepts = min(concepts, run.evaluation.concepts or concepts)
    tokens = run.evaluation.heldout_tokens * languages + TOKENS_A_QUESTION * concepts * languages**2
    return checkpoints * tokens * flops_per_token / 3


def probing_flops(run: RunConfig, shape: DecoderConfig, further: int) -> float:
    """Return the FLOPs of probing heads and layers, and of taking parts away, at a run's checkpoints.

    Parameters
    ----------
    run : RunConfig
    shape : DecoderConfig
        Of its model.
    further : int
        Adaptive checkpoints, which are probed where all planned ones are.
    """
    evaluation, planned = run.evaluation, len(run.checkpoint_steps())
    if not evaluation.probes:
        return 0.0
    every = evaluation.probes_every
    times = planned + further if every == 1 else len({*range(0, planned, every), planned - 1})
    asked = evaluation.asked()
    of_words = ablation_flops(shape, asked.probes, TOKENS_A_QUESTION, asked.ablations)
    of_layers = layer_flops(
        shape, asked.probes, len(run.languages()), _concepts(run), (TOKENS_A_QUESTION, TOKENS_A_WORD), asked.layers
    )
    return times * (head_flops(shape, asked.heads, asked.probes) + of_words + of_layers)


def _concepts(run: RunConfig) -> int:
    """Return how many concepts a run's words have; of catalogues, which are not read here, those of the word list."""
    return run.world.concepts if run.corpus == "world" else len(words(run.languages()).concepts)

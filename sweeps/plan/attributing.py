"""Rough cost estimate of attributing changes of losses to the languages of a run's training text."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.words.words import words
from calque.models.config.attribution import AttributionConfig
from calque.models.config.sizes import DecoderConfig
from calque.sweeps.plan.scoring import TOKENS_A_QUESTION
from calque.sweeps.study.run_config import RunConfig

SPEED = 0.4
"""FLOP/s of attribution by those of training, measured at width 64 on a CPU (docs/COMPONENTS.md); not on a GPU."""
POINTS = 3
"""Of Simpson's rule where the parts sum at once."""


@dataclass(frozen=True, kw_only=True)
class AttributionCost:
    """What attribution costs a run.

    Attributes
    ----------
    flops : float
        Gradients by class of text at every step, and gradients of the losses along each segment.
    n_bytes : int
        Memory beside that of training: moments and parts of updates by class in float32; a copy of the model, the
        directions and a gradient in float64.
    """

    flops: float = 0.0
    n_bytes: int = 0


def attribution_cost(run: RunConfig, shape: DecoderConfig, flops_per_token: int) -> AttributionCost:
    """Return the cost of the attribution that a ``run`` asks for; 0 where it asks for none.

    Parameters
    ----------
    run : RunConfig
    shape : DecoderConfig
        Of its model.
    flops_per_token : int
        Of training.
    """
    asked = run.training.attribution
    if asked is None:
        return AttributionCost()
    languages, classes = run.languages(), _classes(run)
    known = run.world.concepts if run.corpus == "world" else len(words(languages).concepts)
    pairs = len(asked.places(languages))
    questions = pairs * min(asked.concepts, known) * TOKENS_A_QUESTION * flops_per_token
    products = 2.0 * pairs * asked.clusters * (classes + 2) * shape.n_params
    gradients = float(run.trained_steps) * run.training.tokens_per_step * flops_per_token
    return AttributionCost(
        flops=gradients + _segments(run, asked) * POINTS * (questions + products),
        n_bytes=shape.n_params * (28 * classes + 84),
    )


def _classes(run: RunConfig) -> int:
    """Return the number of classes of training text: streams that have a share."""
    mix, world = run.parsed_mix(), run.world
    of_world = (world.glossary_share > 0) + (world.opening > 0) if run.corpus == "world" else 0
    return len(mix.languages) + (mix.parallel > 0) + (mix.entries > 0) + of_world


def _segments(run: RunConfig, asked: AttributionConfig) -> int:
    """Return the segments of training: those of every n-th step, and those that a planned checkpoint ends."""
    first = run.training.steps - run.trained_steps
    whole = run.training.steps // asked.every - first // asked.every
    return whole + sum(step > first and step % asked.every > 0 for step in run.checkpoint_steps())

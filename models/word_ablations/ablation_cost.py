"""What taking parts away while words are asked costs, before it starts."""

from __future__ import annotations

from collections.abc import Collection

from calque.models.ablations.settings import DEFAULT, QUESTIONS, SETS, AblationSettings
from calque.models.config.sizes import DecoderConfig

FORMS = 3 * QUESTIONS
"""Words that are read for each concept: target and source of questions to translate, the word of those to repeat."""
READ = 1.5
"""Passes of reading: the outputs of parts are kept."""


def ablation_flops(
    shape: DecoderConfig, probes: Collection[str], tokens: float, settings: AblationSettings = DEFAULT
) -> float:
    """Return the FLOPs of ablating parts and heads of one checkpoint, each word having one form.

    Parameters
    ----------
    shape : DecoderConfig
    probes : collection of str
        Names of probes; others than part_ablation and co_ablation are left out.
    tokens : float
        Of a question with its answer.
    settings : AblationSettings
    """
    passes = 0.0
    if "part_ablation" in probes:
        passes += READ + 1 + 3 * shape.layers
    if "co_ablation" in probes:
        passes += READ + 1 + (1 + SETS) + (2 + SETS) * shape.layers * shape.heads
    a_token = 2.0 * shape.layers * shape.n_matrices_layer + 4.0 * tokens * shape.layers * shape.width
    return passes * FORMS * settings.concepts * (tokens * a_token + 2.0 * shape.width * shape.vocab_size)

"""What probing the heads of a model costs, before it starts."""

from __future__ import annotations

from collections.abc import Collection

from calque.models.components.head_settings import DEFAULT, HeadSettings
from calque.models.config.probes import HEADS
from calque.models.config.sizes import DecoderConfig

EIGENVALUES = 25
"""Operations of the eigenvalues of a matrix, in cubes of its width (Golub and Van Loan 2013, table 7.5.2: about 10 to
25)."""
MATRICES = 17
"""Matrices whose eigenvalues OV copying takes, for each head."""

PATCHED_PASSES = 2
"""Passes of each word for every head, of probes that patch."""
GIVEN_PASSES = {"token_copying": 2, "concept_copying": 2, "function_vector": 16}
"""Passes of each word whose heads are read, by probe."""
ABLATED_PASSES = 12
"""Passes of ablating heads: the whole model, the heads, and ten sets of others; besides, prompts are read once."""


def head_flops(shape: DecoderConfig, settings: HeadSettings = DEFAULT, probes: Collection[str] = HEADS) -> float:
    """Return the FLOPs of probing the heads of one checkpoint: forward passes without logits, patterns, eigenvalues.

    Prompts of word questions are counted as long as they may be, twice a half and one; two lines that need more, where
    no ``length`` is given, are counted too low. Attention to the source word is left out.

    Parameters
    ----------
    shape : DecoderConfig
    settings : HeadSettings
    probes : collection of str
        Names of probes.
    """
    length, heads, width = settings.half + 1, shape.layers * shape.heads, shape.head_width
    whole, total = settings.half + length, 0.0
    one_pass = whole * (2.0 * shape.layers * shape.n_matrices_layer + 4.0 * whole * shape.layers * shape.width)
    of_prompts = {"previous_token", "prefix_matching"} & set(probes)
    passes = (settings.prompts if of_prompts else 0) + (settings.prompts // 2 if "prefix_matching" in probes else 0)
    total += passes * one_pass
    total += passes * heads * 2.0 * whole * whole * width  # patterns beside the model's own attention
    if "previous_token" in probes:
        total += settings.draws * (settings.prompts // 2) * heads * 2.0 * length * length * width
    for name in GIVEN_PASSES.keys() & set(probes):
        total += settings.prompts * (1 + GIVEN_PASSES[name] + PATCHED_PASSES * heads) * one_pass
    if "head_ablation" in probes:
        total += settings.prompts * (1.5 + ABLATED_PASSES) * one_pass
        total += settings.prompts * ABLATED_PASSES * settings.half * 2.0 * shape.width * shape.vocab_size
    if "ov_copying" in probes:
        half = settings.tokens // 2
        total += heads * (8.0 * half * shape.width * width + 2.0 * settings.draws * width * width)
        total += heads * MATRICES * (2.0 * half * width * width + EIGENVALUES * width**3)
    return total

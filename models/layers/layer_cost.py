"""What probing the layers of a model costs, before it starts."""

from __future__ import annotations

from collections.abc import Collection

from calque.models.config.sizes import DecoderConfig
from calque.models.layers.settings import MOST, LayerSettings

ITERATIONS = 50
"""Of a logistic regression, until it has converged; each takes a product with the states and one with the errors."""


def layer_flops(
    shape: DecoderConfig, probes: Collection[str], languages: int, concepts: int, tokens: tuple[float, float],
    settings: LayerSettings,
) -> float:  # fmt: skip
    """Return the FLOPs of probing the layers of one checkpoint, every word having its headword's form alone.

    Parameters
    ----------
    shape : DecoderConfig
    probes : collection of str
        Names of probes; others than lens, alignment, linear and patching are left out.
    languages, concepts : int
        Of the words; alignment takes all concepts, the others as many as the settings ask for.
    tokens : float, float
        Of a word question without its answer, and of a word alone with what begins a text.
    settings : LayerSettings
    """
    asked, depths = min(settings.concepts, concepts), shape.layers + 1
    logits = 2.0 * shape.width * shape.vocab_size
    total = 0.0
    if "lens" in probes:
        total += asked * languages * (languages - 1) * (_pass(shape, tokens[0]) + depths * logits)
    if "alignment" in probes:
        pairs = languages * (languages - 1) / 2
        total += concepts * languages * _pass(shape, tokens[1])
        total += depths * concepts**2 * (2.0 * languages * shape.width + pairs * 2.0 * settings.draws)
    if "linear" in probes:
        total += asked * languages * _pass(shape, tokens[1])
        fits = settings.folds * languages + languages * asked  # by fold, a column for each label
        total += depths * 2 * fits * ITERATIONS * 4.0 * asked * languages * shape.width
    if "patching" in probes:
        total += MOST * asked * ((4 + 3 * depths) * _pass(shape, tokens[0]) + (1 + 3 * depths) * logits)
    return total


def _pass(shape: DecoderConfig, tokens: float) -> float:
    """Return the FLOPs of a forward pass of one prompt without logits."""
    return tokens * (2.0 * shape.layers * shape.n_matrices_layer + 4.0 * tokens * shape.layers * shape.width)

"""CompleteP: initial weights, learning rates and the like as functions of width and depth, so that optima transfer.

Dey et al. 2025 (arXiv 2505.01618), table 1 with alpha = 1, for AdamW. With the ratios m_N = width / base width and
m_L = layers / base layers, and the values chosen at the base (learning rate eta, weight decay lambda, epsilon):

=============  ======================  ==============  ==============  ===================
parameters     initial SD              learning rate   weight decay    Adam's epsilon
=============  ======================  ==============  ==============  ===================
embedding      base_width^-1/2         eta             lambda          epsilon / m_N
hidden         fan_in^-1/2             eta / m_N       lambda * m_N    epsilon / (m_N m_L)
hidden gain    (ones)                  eta             0               epsilon / (m_N m_L)
final gain     (ones)                  eta             0               epsilon / m_N
head           base_width^-1/2         eta             lambda          epsilon / m_N
=============  ======================  ==============  ==============  ===================

Forward, attention and feed-forward enter the residual times 1/m_L, and the final residuals meet the head times 1/m_N.
Heads keep their width across a family, so that the factor 1/sqrt(head width) of attention needs no change. A shape that
is its own base has ratios of 1: the standard parametrisation.

Not from the paper: the SDs at the base; matrices that write to the residual start smaller by (2 * base_layers)^-1/2, a
constant of the family, so that the sum over the base's blocks starts at the size of one; a tied embedding is one matrix
under one rule, because the rules of embedding and head are the same.

Muon (for ``hidden`` alone, not from the paper either): its updates have a fixed spectral norm, times the factor
sqrt(max(fan_in, fan_out)) that matches them to AdamW's size. So eta scales with m_N^-1/2, lambda with m_N^1/2, and the
epsilon of its normalisation, which is compared with a whole gradient matrix, with 1/m_L.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calque.models.config.sizes import DecoderConfig
    from calque.models.config.training import TrainingConfig

RESIDUAL_OUTPUTS = ("attention.output.weight", "ffn.down.weight")
"""The matrices that write to the residual."""

Power = tuple[float, float]
"""Exponents of m_N and m_L."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How the hyper-parameters of a group scale with the ratios; each is (exponent of m_N, exponent of m_L).

    Attributes
    ----------
    learning_rate, weight_decay, epsilon : (float, float)
    decayed : bool
        Whether weight decay acts on the group at all.
    """

    learning_rate: Power = (0, 0)
    weight_decay: Power = (0, 0)
    epsilon: Power = (-1, 0)
    decayed: bool = True


ADAMW = {
    "embedding": Rule(),
    "hidden": Rule(learning_rate=(-1, 0), weight_decay=(1, 0), epsilon=(-1, -1)),
    "hidden gain": Rule(epsilon=(-1, -1), decayed=False),
    "final gain": Rule(decayed=False),
    "head": Rule(),
}
"""The table above, by group."""

MUON = {"hidden": Rule(learning_rate=(-0.5, 0), weight_decay=(0.5, 0), epsilon=(0, -1))}
"""The same for the matrices that Muon updates."""

MUON_EPSILON = 1e-7
"""Muon's own epsilon at the base, torch's default."""


def with_base(shape: DecoderConfig, config: TrainingConfig) -> DecoderConfig:
    """Return ``shape`` with the base width and depth that ``config`` names; ``standard`` has none."""
    if config.parametrisation == "standard":
        return replace(shape, base_width=None, base_layers=None)
    return replace(
        shape, base_width=config.base_width or shape.base_width, base_layers=config.base_layers or shape.base_layers
    )


def group_of(name: str, dimensions: int) -> str:
    """Return the row of the table for the decoder's parameter ``name``, a tensor of ``dimensions`` dimensions."""
    if name in ("embedding.weight", "head.weight"):
        return name.removesuffix(".weight")
    if dimensions > 1:
        return "hidden"
    return "final gain" if name == "norm.weight" else "hidden gain"


def scaled(value: float, power: Power, config: DecoderConfig) -> float:
    """Return ``value``, chosen at the base, for the shape ``config``: value * m_N^a * m_L^b with ``power`` = (a, b)."""
    return value * math.pow(config.width_ratio, power[0]) * math.pow(config.depth_ratio, power[1])


def initial_deviation(config: DecoderConfig, name: str, fan_in: int) -> float:
    """Return the initial standard deviation of the matrix ``name`` with ``fan_in`` inputs in the shape ``config``."""
    if group_of(name, 2) != "hidden":
        return 1 / math.sqrt(config.base_width or config.width)
    std = 1 / math.sqrt(fan_in)
    return std / math.sqrt(2 * (config.base_layers or config.layers)) if name.endswith(RESIDUAL_OUTPUTS) else std


def folding_factor(config: DecoderConfig, name: str) -> float:
    """Return the factor of weight ``name`` that replaces the multipliers of a decoder of shape ``config``."""
    if name.endswith(RESIDUAL_OUTPUTS):
        return config.residual_multiplier
    return config.output_multiplier if name == "norm.weight" else 1.0

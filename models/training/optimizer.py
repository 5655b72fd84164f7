"""The optimizer of a decoder, with its parameters in the groups of ``calque.models.config.parametrisation``."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from calque.data.errors import UserError
from calque.models.config.parametrisation import ADAMW, MUON, MUON_EPSILON, Rule, group_of, scaled, with_base
from calque.models.config.schedule import warmup_stable_decay
from calque.models.config.sizes import DecoderConfig
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.muon import MuonAdamW


def configure(decoder: Decoder, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return the optimizer for ``decoder``: fused AdamW, or Muon for the hidden matrices and AdamW for the rest.

    The parameter groups are the rows of CompleteP's table; rows with equal values share a group, whose key ``"name"``
    lists them.

    Parameters
    ----------
    decoder : Decoder
    config : TrainingConfig

    Raises
    ------
    UserError
        When the decoder was built for another parametrisation than ``config`` names.
    """
    expected = with_base(decoder.config, config)
    if (expected.width_ratio, expected.depth_ratio) != (decoder.config.width_ratio, decoder.config.depth_ratio):
        raise UserError(
            f"training.parametrisation is '{config.parametrisation}' with width and depth at {expected.width_ratio:g} "
            f"and {expected.depth_ratio:g} of the base's, but the decoder has {decoder.config.width_ratio:g} and "
            f"{decoder.config.depth_ratio:g}; build it with "
            "calque.models.config.parametrisation.with_base(shape, training)"
        )
    betas = (config.beta1, config.beta2)
    named = list(decoder.named_parameters())
    if config.optimizer == "muon":
        hidden = [(name, p) for name, p in named if group_of(name, p.dim()) in MUON]
        rest = [(name, p) for name, p in named if group_of(name, p.dim()) not in MUON]
        return MuonAdamW(
            _groups(hidden, decoder.config, config, MUON, MUON_EPSILON),
            _groups(rest, decoder.config, config, ADAMW, config.epsilon), momentum=config.momentum, betas=betas,
        )  # fmt: skip
    return torch.optim.AdamW(_groups(named, decoder.config, config, ADAMW, config.epsilon), betas=betas, fused=True)


def _groups(
    named: list[tuple[str, nn.Parameter]], shape: DecoderConfig, config: TrainingConfig, rules: dict[str, Rule],
    epsilon: float,
) -> list[dict[str, Any]]:  # fmt: skip
    groups: dict[tuple[float, ...], dict[str, Any]] = {}
    for name, parameter in named:
        row = group_of(name, parameter.dim())
        rule = rules[row]
        values = {
            "lr": scaled(config.learning_rate, rule.learning_rate, shape),
            "weight_decay": scaled(config.weight_decay, rule.weight_decay, shape) if rule.decayed else 0.0,
            "eps": scaled(epsilon, rule.epsilon, shape),
        }
        group = groups.setdefault(tuple(values.values()), {"params": [], "name": row, **values})
        group["params"].append(parameter)
        if row not in group["name"].split(", "):
            group["name"] += f", {row}"
    return list(groups.values())


def schedule(optimizer: torch.optim.Optimizer, config: TrainingConfig) -> LambdaLR:
    """Return the warmup-stable-decay schedule of all groups of ``optimizer`` for the training of ``config``."""
    warmup, decay = config.warmup_tokens // config.tokens_per_step, round(config.decay_fraction * config.steps)
    return LambdaLR(
        optimizer, lambda step: warmup_stable_decay(step, steps=config.steps, warmup=warmup, decay=decay)
    )  # fmt: skip

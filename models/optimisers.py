"""The optimizer of a decoder, with its parameters in the groups of ``models.parametrisation``."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

from models.decoder import Decoder
from models.parametrisation import ADAMW, group_of, scaled
from models.schedule import warmup_stable_decay
from models.training_config import TrainingConfig


def configure(decoder: Decoder, config: TrainingConfig) -> torch.optim.Optimizer:
    """Return the optimizer for ``decoder``: fused AdamW, groups by CompleteP's table.

    Each group carries its rows' names under ``"name"``; rows that agree in every value share a group.
    """
    groups: dict[tuple[float, ...], dict[str, Any]] = {}
    for name, parameter in decoder.named_parameters():
        row = group_of(name, parameter.dim())
        rule, shape = ADAMW[row], decoder.config
        values = {
            "lr": scaled(config.learning_rate, rule.learning_rate, shape),
            "weight_decay": scaled(config.weight_decay, rule.weight_decay, shape) if rule.decayed else 0.0,
            "eps": scaled(config.epsilon, rule.epsilon, shape),
        }
        group = groups.setdefault(tuple(values.values()), {"params": [], "name": row, **values})
        group["params"].append(parameter)
        if row not in group["name"].split(", "):
            group["name"] += f", {row}"
    return torch.optim.AdamW(list(groups.values()), betas=(config.beta1, config.beta2), fused=True)


def schedule(optimizer: torch.optim.Optimizer, config: TrainingConfig) -> LambdaLR:
    """Return the warmup-stable-decay schedule of every group, to be stepped with the optimizer."""
    warmup, decay = config.warmup_tokens // config.tokens_per_step, round(config.decay_fraction * config.steps)
    return LambdaLR(
        optimizer, lambda step: warmup_stable_decay(step, steps=config.steps, warmup=warmup, decay=decay)
    )  # fmt: skip

"""The precision of a training configuration as the decoder's types of computation."""

from __future__ import annotations

import torch

from calque.data.errors import UserError
from calque.models.config.training import FLOAT8, TrainingConfig
from calque.models.decoder.decoder import Decoder

FLOAT8_CAPABILITY = (8, 9)
"""Least compute capability (Ada, Hopper) whose tensor cores take float8."""


def computed_in(config: TrainingConfig) -> torch.dtype | None:
    """Return the type in which weights are used under ``config``; None is their own."""
    return torch.bfloat16 if config.mixed else None


def compute_as(config: TrainingConfig, decoder: Decoder, device: torch.device) -> None:
    """Have ``decoder`` compute in the types of ``config``, for training on ``device``.

    Raises
    ------
    UserError
        When the device has no products of float8.
    """
    if config.precision == FLOAT8:
        _check_float8(device)
    decoder.compute_in(computed_in(config), float8=config.precision == FLOAT8)


def _check_float8(device: torch.device) -> None:
    if device.type == "cpu":
        return
    what = f"a device of type '{device.type}' has none that were tried"
    if device.type == "cuda" and torch.version.hip is None:
        capability = torch.cuda.get_device_capability(device)
        if capability >= FLOAT8_CAPABILITY:
            return
        what = f"{torch.cuda.get_device_name(device)} (compute capability {'.'.join(map(str, capability))}) has none"
    raise UserError(
        f"training.precision is '{FLOAT8}', which needs matrix products of float8, and {what}; expected an NVIDIA GPU "
        "of compute capability 8.9 or more, or precision 'bf16-mixed'"
    )

"""``torch.compile`` and activation checkpointing, applied to a decoder before training."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from calque.data.errors import UserError
from calque.models.config.training import TrainingConfig
from calque.models.decoder.loss import Objective

WHOLE_LAYERS = 8
"""Up to this depth the step of one device is compiled as a whole; otherwise block by block, in constant time."""

MIN_CPU_FLOPS = 2e13
"""FLOPs of training per thread above which compilation saves time on a CPU (docs/TRAINING.md)."""

ATEN = torch.ops.aten
SAVED_OPERATORS = {
    ATEN.mm.default, ATEN.addmm.default, ATEN.bmm.default, torch.ops.calque.product.default, ATEN._scaled_mm.default,
    ATEN._scaled_dot_product_flash_attention.default, ATEN._scaled_dot_product_efficient_attention.default,
    ATEN._scaled_dot_product_cudnn_attention.default, ATEN._scaled_dot_product_flash_attention_for_cpu.default,
}  # fmt: skip
"""Operators whose results selective checkpointing saves: everything else is cheap to recompute."""


def should_compile(config: TrainingConfig, objective: Objective, device: torch.device) -> bool:
    """Return whether the training step is to be compiled.

    ``auto``: always on a GPU; on a CPU when there is a C++ compiler and training is long enough. It depends on the
    configuration alone, so that a resumed run is compiled as it was before.

    Parameters
    ----------
    config : TrainingConfig
    objective : Objective
        With the decoder.
    device : torch.device

    Raises
    ------
    UserError
        When ``always`` meets a CPU without a C++ compiler.
    """
    compiler = device.type != "cpu" or shutil.which("g++") or shutil.which("clang++")
    if config.compile == "always" and not compiler:
        raise UserError("training.compile is 'always', but there is no C++ compiler (g++); install one or take 'auto'")
    if config.compile != "auto" or not compiler:
        return config.compile == "always"
    flops = float(config.tokens) * objective.decoder.config.flops_per_token(config.context)
    return device.type != "cpu" or flops / config.threads >= MIN_CPU_FLOPS


def compile_step(objective: Objective, alone: bool) -> None:
    """Compile ``objective`` at its first call; ``alone`` tells whether it is trained on one device.

    What was compiled before in this process is forgotten: the compiler keeps eight versions of a function and would
    run the ninth shape of a block uncompiled.
    """
    torch.compiler.reset()
    decoder = objective.decoder
    if alone and decoder.config.layers <= WHOLE_LAYERS:
        objective.forward = torch.compile(objective.forward, dynamic=False)  # type: ignore[method-assign]
        return
    for block in decoder.blocks:
        block.forward = torch.compile(block.forward, dynamic=False)


def run_eagerly(compiled: bool) -> AbstractContextManager[Any]:
    """Return a context in which modules that are ``compiled`` run eagerly: scoring has a new shape every time."""
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


def checkpoint_activations(objective: Objective, how: str) -> None:
    """Make every block of ``objective`` recompute activations; ``how`` as ``activation_checkpointing`` has it."""
    if how == "none":
        return
    again: Callable[..., Any] = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)
    if how == "selective":
        again = partial(again, context_fn=partial(create_selective_checkpoint_contexts, _policy))
    for block in objective.decoder.blocks:
        block.forward = _recomputing(block.forward, again)


def _recomputing(forward: Callable[..., Any], again: Callable[..., Any]) -> Callable[..., Any]:
    def run(*given: Any) -> Any:
        return again(forward, *given) if torch.is_grad_enabled() else forward(*given)

    return run


def _policy(context: Any, operator: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    return CheckpointPolicy.MUST_SAVE if operator in SAVED_OPERATORS else CheckpointPolicy.PREFER_RECOMPUTE

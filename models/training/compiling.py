"""What ``torch.compile`` and activation checkpointing do to a decoder before training."""

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
"""Up to this depth one device's step is compiled whole; deeper or shared ones a block at a time, in constant time."""

MIN_CPU_FLOPS = 2e13
"""Training FLOPs a thread from which compiling repays its time on a CPU (docs/TRAINING.md)."""

ATEN = torch.ops.aten
KEPT = {
    ATEN.mm.default, ATEN.addmm.default, ATEN.bmm.default, torch.ops.calque.product.default,
    ATEN._scaled_dot_product_flash_attention.default, ATEN._scaled_dot_product_efficient_attention.default,
    ATEN._scaled_dot_product_cudnn_attention.default, ATEN._scaled_dot_product_flash_attention_for_cpu.default,
}  # fmt: skip
"""What selective checkpointing keeps: everything else is cheap to do again."""


def should_compile(config: TrainingConfig, objective: Objective, device: torch.device) -> bool:
    """Return whether the step is to be compiled.

    ``auto``: always on a GPU; on a CPU when there is a C++ compiler and the whole of training is long enough, a
    function of the configuration alone, so that a run that goes on is compiled as it was begun.

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
    """Have the objective compiled at its first call; ``alone``: on one device."""
    decoder = objective.decoder
    if alone and decoder.config.layers <= WHOLE_LAYERS:
        objective.forward = torch.compile(objective.forward, dynamic=False)  # type: ignore[method-assign]
        return
    for block in decoder.blocks:
        block.forward = torch.compile(block.forward, dynamic=False)


def run_eagerly(compiled: bool) -> AbstractContextManager[Any]:
    """Return a context in which compiled modules run as they are written: scoring has a new shape every time."""
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


def checkpoint_activations(objective: Objective, how: str) -> None:
    """Have every block keep less for the backward pass and do it again; ``how`` as in the training configuration."""
    if how == "none":
        return
    again: Callable[..., Any] = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)
    if how == "selective":
        again = partial(again, context_fn=partial(create_selective_checkpoint_contexts, _policy))
    for block in objective.decoder.blocks:
        block.forward = _sparing(block.forward, again)


def _sparing(forward: Callable[..., Any], again: Callable[..., Any]) -> Callable[..., Any]:
    def run(*given: Any) -> Any:
        return again(forward, *given) if torch.is_grad_enabled() else forward(*given)

    return run


def _policy(context: Any, operator: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    return CheckpointPolicy.MUST_SAVE if operator in KEPT else CheckpointPolicy.PREFER_RECOMPUTE

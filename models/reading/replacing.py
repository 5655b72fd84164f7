"""The one place that changes what a forward pass computes: outputs of heads and of parts, and the residual stream.

Weights are not touched. Hooks are removed when the context ends, also by an exception. Later parts are computed anew
from what they then read, so that an effect is the whole one, what other heads make up for included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from calque.data.errors import UserError
from calque.models.reading.parts import ModelParts

Replacement = Mapping[tuple[int, int], Tensor]
"""Outputs by (layer, head), shape (batch or 1, length or 1, head_width)."""


@contextmanager
def heads_replaced(parts: ModelParts, outputs: Replacement, *, last: bool = False) -> Iterator[None]:
    """Let some heads give other outputs in the forward passes within.

    Parameters
    ----------
    parts : ModelParts
    outputs : mapping of (layer, head) to Tensor, shape (batch or 1, length or 1, head_width)
    last : bool
        At the last position alone; outputs then have one.

    Raises
    ------
    UserError
        When the model has no such head.
    """
    layers, heads = len(parts.blocks), parts.heads
    for layer, head in outputs:
        if not (0 <= layer < layers and 0 <= head < heads):
            raise UserError(f"`outputs` has layer {layer}, head {head}; the model has {layers} layers of {heads} heads")
    with ExitStack() as stack:
        for layer, block in enumerate(parts.blocks):
            given = {head: out for (at, head), out in outputs.items() if at == layer}
            if given:
                hook = _hook(given, parts.head_width, slice(-1, None) if last else slice(None))
                stack.callback(block.output.register_forward_pre_hook(hook, with_kwargs=True).remove)
        yield


PartReplacement = Mapping[tuple[str, int], Tensor]
"""What attention or MLP add to the residual, by (part, layer), shape (batch or 1, length or 1, width)."""


@contextmanager
def parts_replaced(parts: ModelParts, outputs: PartReplacement) -> Iterator[None]:
    """Let attention or MLP of some blocks add something else to the residual in the forward passes within.

    Parameters
    ----------
    parts : ModelParts
    outputs : mapping of ({"attention", "mlp"}, layer) to Tensor, shape (batch or 1, length or 1, width)
        As :class:`~calque.models.reading.reading.Reading` has them: after a norm that follows, times the residual
        multiplier.

    Raises
    ------
    UserError
        When the model has no such part.
    """
    for name, layer in outputs:
        if name not in ("attention", "mlp") or not 0 <= layer < len(parts.blocks):
            raise UserError(
                f"`outputs` has {name} {layer}; expected attention or mlp, and layers 0 to {len(parts.blocks) - 1}"
            )
    with ExitStack() as stack:
        for (name, layer), out in outputs.items():
            block = parts.blocks[layer]
            module = block.mlp_end if name == "mlp" else block.attention_end
            stack.callback(module.register_forward_hook(_end_hook(out / parts.residual_multiplier)).remove)
        yield


@contextmanager
def residual_replaced(parts: ModelParts, depth: int, residual: Tensor) -> Iterator[None]:
    """Let the residual stream be another at the last position in the forward passes within.

    Parameters
    ----------
    parts : ModelParts
    depth : int
        After so many blocks: 0 to the number of blocks.
    residual : Tensor, shape (batch or 1, width)

    Raises
    ------
    UserError
        When the model has no such depth.
    """
    layers = len(parts.blocks)
    if not 0 <= depth <= layers:
        raise UserError(f"`depth` is {depth}; expected 0 to {layers}")

    def replace(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        changed: Tensor = (args[0] if args else named["hidden_states"]).clone()
        changed[:, -1] = residual.to(changed.dtype)
        return ((changed, *args[1:]), named) if args else ((), {**named, "hidden_states": changed})

    module = parts.norm if depth == layers else parts.blocks[depth].block
    handle = module.register_forward_pre_hook(replace, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _hook(
    given: Mapping[int, Tensor], width: int, where: slice
) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], Any]:
    def replace(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        changed: Tensor = args[0].clone()
        for head, out in given.items():
            at = slice(head * width, (head + 1) * width)
            changed[:, where, at] = torch.broadcast_to(out.to(changed.dtype), changed[:, where, at].shape)
        return (changed, *args[1:]), named

    return replace


def _end_hook(out: Tensor) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
    def replace(_: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return torch.broadcast_to(out.to(output.dtype), output.shape)

    return replace

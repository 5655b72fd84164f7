"""The one place with hooks: what a forward pass computes is kept at chosen positions, and nothing is changed.

Hooks are removed when the pass ends, also by an exception. Queries and keys of a block are kept only until its
attention is done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from calque.models.decoder.decoder import rotate
from calque.models.decoder.linear import as_float32
from calque.models.reading.parts import BlockParts, ModelParts

Kept = dict[tuple[str, int], Tensor]
"""What is kept, by quantity and layer; the last residual has the number of layers as its layer."""
ATTENDING = frozenset({"queries", "keys", "patterns"})
"""What queries and keys are needed for."""


@contextmanager
def kept(parts: ModelParts, positions: Tensor, wanted: Collection[str]) -> Iterator[Kept]:
    """Keep what the forward passes within compute; a later pass replaces what an earlier one left.

    Parameters
    ----------
    parts : ModelParts
    positions : int tensor, shape (batch, chosen)
        The positions to keep, of each prompt of the batch.
    wanted : collection of str
        Some of ``calque.models.reading.reading.QUANTITIES``.

    Yields
    ------
    dict
        Filled by the pass. Its tensors are float32 (float64 where the model is) and share no memory with the model's.
    """
    found: Kept = {}
    with ExitStack() as stack:
        for layer, block in enumerate(parts.blocks):
            _hook_block(stack, parts, block, layer, positions, wanted, found)
        yield found


def _hook_block(
    stack: ExitStack, parts: ModelParts, block: BlockParts, layer: int, positions: Tensor, wanted: Collection[str],
    found: Kept,
) -> None:  # fmt: skip
    def before(module: nn.Module, keep: Callable[[Tensor], None]) -> None:
        def hook(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            keep(args[0] if args else named["hidden_states"])

        stack.callback(module.register_forward_pre_hook(hook, with_kwargs=True).remove)

    def after(module: nn.Module, keep: Callable[[Tensor], None]) -> None:
        def hook(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            keep(output[0] if isinstance(output, tuple) else output)

        stack.callback(module.register_forward_hook(hook).remove)

    def stored(name: str, at: int = layer, factor: float = 1.0) -> Callable[[Tensor], None]:
        def keep(x: Tensor) -> None:
            found[name, at] = at_positions(x, positions) * factor

        return keep

    if "residual" in wanted:
        before(block.block, stored("residual"))
        if layer == len(parts.blocks) - 1:
            after(block.block, stored("residual", layer + 1))
    if "attention" in wanted:
        after(block.attention_end, stored("attention", factor=parts.residual_multiplier))
    if "mlp" in wanted:
        after(block.mlp_end, stored("mlp", factor=parts.residual_multiplier))
    if "heads" in wanted:

        def keep_heads(x: Tensor) -> None:
            chosen = at_positions(x, positions)
            found["heads", layer] = chosen.view(*chosen.shape[:2], parts.heads, -1).transpose(1, 2)

        before(block.output, keep_heads)
    if not ATTENDING.isdisjoint(wanted):
        _hook_attention(stack, parts, block, layer, positions, wanted, found)


def _hook_attention(
    stack: ExitStack, parts: ModelParts, block: BlockParts, layer: int, positions: Tensor, wanted: Collection[str],
    found: Kept,
) -> None:  # fmt: skip
    outputs: dict[int, Tensor] = {}
    angles: list[Tensor] = []

    def begin(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        angles[:] = block.angles(args, named)

    def project(index: int) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def hook(_: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
            outputs[index] = output

        return hook

    def end(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        query, key = block.queries_keys([outputs[i] for i in range(len(block.projections))])
        cos, sin = angles
        query, key = _rotated(query, cos, sin), _rotated(key, cos, sin)
        index = positions[:, None, :, None].expand(-1, query.shape[1], -1, query.shape[3])
        chosen = as_float32(query.gather(2, index))
        if "queries" in wanted:
            found["queries", layer] = chosen
        if "keys" in wanted:
            found["keys", layer] = as_float32(key)
        if "patterns" in wanted:
            found["patterns", layer] = patterns(chosen, as_float32(key), positions, parts.scale, block.window)
        outputs.clear()
        angles.clear()

    stack.callback(block.attention.register_forward_pre_hook(begin, with_kwargs=True).remove)
    for index, module in enumerate(block.projections):
        stack.callback(module.register_forward_hook(project(index)).remove)
    stack.callback(block.attention.register_forward_hook(end).remove)


def at_positions(x: Tensor, positions: Tensor) -> Tensor:
    """Return ``x``, shape (batch, length, width), at ``positions`` (batch, chosen): (batch, chosen, width), a copy."""
    rows = torch.arange(len(x), device=x.device)[:, None]
    return as_float32(x[rows, positions])


def patterns(query: Tensor, key: Tensor, positions: Tensor, scale: float, window: int | None) -> Tensor:
    """Return the attention of each head from the positions to all, shape (batch, heads, chosen, length); rows sum to 1.

    The formula is softmax(``scale`` q k^T) over the positions that each may see (Vaswani et al. 2017).

    Parameters
    ----------
    query : Tensor, shape (batch, heads, chosen, head_width)
        Of the positions, after rotation.
    key : Tensor, shape (batch, kv_heads, length, head_width)
        After rotation; ``kv_heads`` divides ``heads``, and neighbouring heads share one.
    positions : int tensor, shape (batch, chosen)
    scale : float
        Factor of the products.
    window : int, optional
        A position sees that many last ones, itself included; None: all up to itself.
    """
    grouped = query.reshape(len(query), key.shape[1], -1, *query.shape[2:])
    scores = torch.einsum("bghqd,bgkd->bghqk", grouped, key).flatten(1, 2) * scale
    distance = positions[:, :, None] - torch.arange(key.shape[2], device=query.device)
    seen = distance >= 0 if window is None else (distance >= 0) & (distance < window)
    return scores.masked_fill(~seen[:, None], -math.inf).softmax(-1)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the first coordinates of each head, as many as ``cos`` has; tables of a batch have one for all heads."""
    if cos.dim() == 3:
        cos, sin = cos[:, None], sin[:, None]
    turned, rest = x[..., : cos.shape[-1]], x[..., cos.shape[-1] :]
    return torch.cat([rotate(turned, cos, sin), rest], -1) if rest.shape[-1] else rotate(turned, cos, sin)

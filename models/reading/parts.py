"""Where the parts of a model are: what every architecture's file describes, and what is read by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from calque.models.decoder.linear import as_float32


@dataclass(frozen=True, kw_only=True)
class BlockParts:
    """The parts of one block: it adds the outputs of its attention and of its MLP to the residual stream.

    Attributes
    ----------
    block : nn.Module
        Its first argument is the residual before the block, its output that after it.
    attention : nn.Module
        The attention, projections included.
    attention_norm : nn.Module, optional
        The norm of what attention reads; None where it reads the residual itself.
    projections : tuple of nn.Module
        The modules whose outputs ``queries_keys`` takes.
    queries_keys : callable
        From these outputs, of one batch, the queries (batch, heads, length, head_width) and the keys (batch, kv_heads,
        length, head_width), both before rotation.
    angles : callable
        From the arguments of ``attention``, by position and by name, the cosines and sines of its rotary positions,
        shape (..., length, rotated), half-split.
    window : int, optional
        A position attends to that many last ones, itself included; None: to all.
    values : callable
        Gives the weights of the values, shape (kv_heads, head_width, width), and their biases, shape (kv_heads,
        head_width), or None.
    output : nn.Linear
        The output projection; its input is the outputs of all heads, shape (batch, length, heads * head_width).
    attention_end : nn.Module
        The last module before attention is added to the residual: ``output``, or a norm after it.
    mlp_end : nn.Module
        The last module before the MLP is added to the residual.
    """

    block: nn.Module
    attention: nn.Module
    attention_norm: nn.Module | None
    projections: tuple[nn.Module, ...]
    queries_keys: Callable[[Sequence[Tensor]], tuple[Tensor, Tensor]]
    angles: Callable[[tuple[Any, ...], Mapping[str, Any]], tuple[Tensor, Tensor]]
    window: int | None
    values: Callable[[], tuple[Tensor, Tensor | None]]
    output: nn.Linear
    attention_end: nn.Module
    mlp_end: nn.Module

    @property
    def end_norm(self) -> nn.Module | None:
        """The norm after the output projection, if there is one."""
        return None if self.attention_end is self.output else self.attention_end


@dataclass(frozen=True, kw_only=True)
class ModelParts:
    """The parts of a model.

    Attributes
    ----------
    model : nn.Module
        The whole.
    family : str
        Name of the architecture family.
    heads, kv_heads, head_width, width, ffn_width : int
        Query heads and key-value heads of a block; widths of a head, of the residual, and inside the MLP.
    rotated : int
        Coordinates of a head that rotary positions turn, its first ones.
    scale : float
        Factor of the products of queries and keys.
    embedding : nn.Embedding
        Of tokens.
    blocks : tuple of BlockParts
        In order of computation.
    residual_multiplier : float
        Factor of attention and MLP before they are added to the residual.
    norm : nn.Module
        The final norm.
    output_multiplier : float
        Factor of the normed residual before the unembedding.
    unembedding : nn.Linear
        Gives the logits.
    run : callable
        From tokens (batch, length) to the final residuals, normed and multiplied, without logits.
    dropout : bool
        Whether the model computes something else in training mode.
    """

    model: nn.Module
    family: str
    heads: int
    kv_heads: int
    head_width: int
    width: int
    ffn_width: int
    rotated: int
    scale: float
    embedding: nn.Embedding
    blocks: tuple[BlockParts, ...]
    residual_multiplier: float = 1.0
    norm: nn.Module
    output_multiplier: float = 1.0
    unembedding: nn.Linear
    run: Callable[[Tensor], Tensor]
    dropout: bool = False

    @property
    def device(self) -> torch.device:
        """The device of the embedding, where tokens have to be."""
        return self.embedding.weight.device

    @property
    def kind(self) -> torch.dtype:
        """The type of what is read: float32, or float64 where the weights have that."""
        return torch.promote_types(self.embedding.weight.dtype, torch.float32)

    def output_weights(self, layer: int) -> tuple[Tensor, Tensor | None]:
        """Return the output projection of a ``layer`` by head, shape (heads, head_width, width), and its bias (width).

        A head's output of shape (head_width) times its matrix is what the head writes, before a norm that follows and
        before the residual multiplier. The bias is None where there is none.
        """
        output = self.blocks[layer].output
        weight = as_used(output).T.reshape(self.heads, self.head_width, self.width)
        return weight, None if output.bias is None else as_float32(output.bias)

    def value_weights(self, layer: int) -> tuple[Tensor, Tensor | None]:
        """Return the weights of a ``layer``'s values by query head, shape (heads, head_width, width), and their biases.

        Heads of one group have the same. The biases have shape (heads, head_width); None where there are none.
        """
        weight, bias = self.blocks[layer].values()
        group = self.heads // self.kv_heads
        repeated = as_float32(weight).repeat_interleave(group, 0)
        return repeated, None if bias is None else as_float32(bias).repeat_interleave(group, 0)


def as_used(module: nn.Module) -> Tensor:
    """Return the weight of a ``module`` as it is used, in float32 or float64: rounded to the type of computation."""
    weight: Tensor = module.weight  # type: ignore[assignment]
    compute = getattr(module, "compute", None)
    return as_float32(weight if compute is None else weight.to(compute))

"""Calque's own decoder: grouped queries, norms on queries and keys or none, tied or not, multipliers of CompleteP."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from calque.models.decoder.decoder import Block, Decoder
from calque.models.reading.parts import BlockParts, ModelParts, as_used


def decoder_parts(decoder: Decoder) -> ModelParts:
    """Return the parts of a ``decoder``."""
    config = decoder.config
    return ModelParts(
        model=decoder, family="calque", heads=config.heads, kv_heads=config.kv_heads, head_width=config.head_width,
        width=config.width, ffn_width=config.ffn_width, rotated=config.head_width, scale=config.head_width**-0.5,
        embedding=decoder.embedding,
        blocks=tuple(_block(block) for block in decoder.blocks if isinstance(block, Block)),
        residual_multiplier=config.residual_multiplier, norm=decoder.norm, output_multiplier=config.output_multiplier,
        unembedding=decoder.head, run=decoder.residuals,
    )  # fmt: skip


def _block(block: Block) -> BlockParts:
    attention = block.attention
    normed = attention.config.qk_norm
    return BlockParts(
        block=block, attention=attention, attention_norm=block.attention_norm,
        projections=(attention.query_norm, attention.key_norm) if normed else (attention.query, attention.key),
        queries_keys=_normed if normed else partial(_projected, attention.config.head_width),
        angles=lambda args, _: (args[1], args[2]), window=None,
        values=lambda: (as_used(attention.value).view(-1, attention.config.head_width, attention.config.width), None),
        output=attention.output, attention_end=attention.output, mlp_end=block.ffn.down,
    )  # fmt: skip


def _normed(outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return both as they are: the norms have the heads apart already."""
    return outputs[0], outputs[1]


def _projected(head_width: int, outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    query, key = (out.view(*out.shape[:2], -1, head_width).transpose(1, 2) for out in outputs)
    return query, key

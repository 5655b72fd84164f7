"""OLMo 2 of ``transformers``: norms after each part instead of before it, and over all queries and keys of a token."""

from __future__ import annotations

from typing import Any

from calque.models.reading.llama import attention_parts, transformers_parts
from calque.models.reading.parts import BlockParts, ModelParts


def olmo2_parts(model: Any) -> ModelParts:
    """Return the parts of a ``model``, an ``Olmo2ForCausalLM``."""
    return transformers_parts(model, tuple(_block(block) for block in model.model.layers))


def _block(block: Any) -> BlockParts:
    attention = block.self_attn
    return BlockParts(
        block=block, attention_norm=None, window=None, projections=(attention.q_norm, attention.k_norm),
        attention_end=block.post_attention_layernorm, mlp_end=block.post_feedforward_layernorm,
        **attention_parts(attention),
    )  # fmt: skip

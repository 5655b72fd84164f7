"""Llama, Mistral, Qwen 2 and Qwen 3 of ``transformers``: norms before each part, grouped queries, gated MLPs.

Qwen 2 has biases on queries, keys and values, Llama and Qwen 3 where the configuration asks for them; Qwen 3 has norms
on the queries and keys of each head. Mistral and Qwen may attend over a sliding window.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from calque.models.reading.parts import BlockParts, ModelParts


def llama_parts(model: Any) -> ModelParts:
    """Return the parts of a ``model`` such as ``LlamaForCausalLM``."""
    body, config = model.model, model.config
    return transformers_parts(model, tuple(_block(block, config) for block in body.layers))


def transformers_parts(model: Any, blocks: tuple[BlockParts, ...]) -> ModelParts:
    """Return the parts of a ``model`` whose names are those of Llama, with the ``blocks`` of its family."""
    body, config = model.model, model.config
    first = body.layers[0].self_attn
    return ModelParts(
        model=model, family=str(config.model_type), heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads, head_width=first.head_dim, width=config.hidden_size,
        ffn_width=config.intermediate_size, rotated=2 * body.rotary_emb.inv_freq.numel(), scale=float(first.scaling),
        embedding=body.embed_tokens, blocks=blocks, norm=body.norm, unembedding=model.get_output_embeddings(),
        run=lambda tokens: body(input_ids=tokens, use_cache=False).last_hidden_state, dropout=True,
    )  # fmt: skip


def attention_parts(attention: Any) -> dict[str, Any]:
    """Return what the parts of a block say of an ``attention`` whose names are those of Llama."""
    width = attention.head_dim

    def values() -> tuple[Tensor, Tensor | None]:
        weight, bias = attention.v_proj.weight, attention.v_proj.bias
        return weight.view(-1, width, weight.shape[1]), None if bias is None else bias.view(-1, width)

    return {
        "attention": attention, "values": values, "output": attention.o_proj, "queries_keys": partial(_heads, width),
        "angles": lambda args, named: named["position_embeddings"],
    }  # fmt: skip


def _heads(head_width: int, outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return both by head; after the norms of Qwen 3 they have the shape (batch, length, heads, head_width)."""
    query, key = (out.view(*out.shape[:2], -1, head_width).transpose(1, 2) for out in outputs)
    return query, key


def _block(block: Any, config: Any) -> BlockParts:
    attention = block.self_attn
    normed = config.model_type == "qwen3"
    window = config.sliding_window if config.model_type == "mistral" else getattr(attention, "sliding_window", None)
    return BlockParts(
        block=block, attention_norm=block.input_layernorm, window=window,
        projections=(attention.q_norm, attention.k_norm) if normed else (attention.q_proj, attention.k_proj),
        attention_end=attention.o_proj, mlp_end=block.mlp.down_proj, **attention_parts(attention),
    )  # fmt: skip

"""GPT-NeoX (Pythia) of ``transformers``: LayerNorm, biases, parallel blocks, rotary positions on a part of each head.

One matrix gives, for each head in turn, its query, key and value.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from calque.models.reading.parts import BlockParts, ModelParts


def gpt_neox_parts(model: Any) -> ModelParts:
    """Return the parts of a ``model``, a ``GPTNeoXForCausalLM``; its blocks may be parallel or sequential."""
    body, config = model.gpt_neox, model.config
    heads, first = config.num_attention_heads, body.layers[0].attention
    return ModelParts(
        model=model, family="gpt_neox", heads=heads, kv_heads=heads, head_width=first.head_size,
        width=config.hidden_size, ffn_width=config.intermediate_size, rotated=2 * body.rotary_emb.inv_freq.numel(),
        scale=float(first.scaling),
        embedding=body.embed_in, blocks=tuple(_block(block) for block in body.layers), norm=body.final_layer_norm,
        unembedding=model.get_output_embeddings(),
        run=lambda tokens: body(input_ids=tokens, use_cache=False).last_hidden_state, dropout=True,
    )  # fmt: skip


def _block(block: Any) -> BlockParts:
    attention = block.attention
    joint, width = attention.query_key_value, attention.head_size

    def values() -> tuple[Tensor, Tensor | None]:
        bias = joint.bias
        return (
            joint.weight.view(-1, 3, width, joint.in_features)[:, 2],
            None if bias is None else bias.view(-1, 3, width)[:, 2],
        )

    return BlockParts(
        block=block, attention=attention, attention_norm=block.input_layernorm, projections=(joint,),
        queries_keys=partial(_split, width), angles=lambda args, named: named["position_embeddings"], window=None,
        values=values, output=attention.dense, attention_end=attention.dense, mlp_end=block.mlp.dense_4h_to_h,
    )  # fmt: skip


def _split(head_width: int, outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    joint = outputs[0]
    query, key, _ = joint.view(*joint.shape[:2], -1, 3, head_width).permute(3, 0, 2, 1, 4)
    return query, key

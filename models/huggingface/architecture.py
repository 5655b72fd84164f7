"""The architectures of ``transformers`` that equal Calque's decoder, and the names of its weights there.

Without norms on queries and keys it is ``LlamaForCausalLM``; with them, one for each head, ``Qwen3ForCausalLM``. Both
compute the same as the decoder: RMSNorm before each part, rotary positions in half-split form, grouped queries, SwiGLU,
no biases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.models.config.sizes import DecoderConfig

LAYER = {
    "attention.query": "self_attn.q_proj", "attention.key": "self_attn.k_proj", "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj", "attention.query_norm": "self_attn.q_norm",
    "attention.key_norm": "self_attn.k_norm", "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm", "ffn.gate": "mlp.gate_proj", "ffn.up": "mlp.up_proj",
    "ffn.down": "mlp.down_proj",
}  # fmt: skip
"""Parts of a layer: the decoder's name, and that in ``transformers``."""
READABLE = ("llama", "mistral", "qwen3")
"""Values of ``model_type`` that may be imported into the decoder."""


def names(config: DecoderConfig) -> dict[str, str]:
    """Return, for every weight of a decoder of shape ``config``, its name in ``transformers``.

    A tied output projection has none.
    """
    found = {"embedding.weight": "model.embed_tokens.weight", "norm.weight": "model.norm.weight"}
    if not config.tied:
        found["head.weight"] = "lm_head.weight"
    parts = [part for part in LAYER if config.qk_norm or not part.endswith(("query_norm", "key_norm"))]
    for i in range(config.layers):
        found |= {f"blocks.{i}.{part}.weight": f"model.layers.{i}.{LAYER[part]}.weight" for part in parts}
    return found


def settings(config: DecoderConfig, context: int, begin: int | None) -> dict[str, Any]:
    """Return the ``config.json`` of a decoder.

    Parameters
    ----------
    config : DecoderConfig
    context : int
        Tokens of a training sequence.
    begin : int, optional
        The token that begins a document, and so ends the one before.
    """
    return {
        "model_type": "qwen3" if config.qk_norm else "llama",
        "architectures": ["Qwen3ForCausalLM" if config.qk_norm else "LlamaForCausalLM"],
        "vocab_size": config.vocab_size,
        "hidden_size": config.width,
        "intermediate_size": config.ffn_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_width,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_base,  # read by transformers 4, which does not know the next one
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_base},
        "tie_word_embeddings": config.tied,
        "attention_bias": False,
        "max_position_embeddings": context,
        "bos_token_id": begin,
        "eos_token_id": begin,
        "pad_token_id": None,
    } | ({} if config.qk_norm else {"mlp_bias": False})


def decoder_config(given: Mapping[str, Any], origin: str) -> DecoderConfig:
    """Return the decoder's shape for a checkpoint of ``transformers``.

    Parameters
    ----------
    given : mapping
        Its ``config.json``.
    origin : str
        Name of the checkpoint in errors.

    Raises
    ------
    UserError
        When the architecture differs; all differences are named.
    """
    if reasons := differences(given):
        raise UserError(
            f"{origin} is not what Calque's decoder computes: {'; '.join(reasons)}; expected a plain Llama (or Qwen3 "
            "with heads that split the width): it can be scored as it is, but not imported"
        )
    try:
        heads = _one(given, "num_attention_heads")
        return DecoderConfig(
            width=_one(given, "hidden_size"), layers=_one(given, "num_hidden_layers"), heads=heads,
            kv_heads=_one(given, "num_key_value_heads", heads), ffn_width=_one(given, "intermediate_size"),
            vocab_size=_one(given, "vocab_size"), rope_base=float(_rope(given).get("rope_theta", 10_000.0)),
            tied=bool(given.get("tie_word_embeddings", False)), qk_norm=given["model_type"] == "qwen3",
            norm_eps=float(given.get("rms_norm_eps", 1e-6)),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"the config.json of {origin} lacks or garbles {error}; fetch it again") from None


def _one(given: Mapping[str, Any], name: str, otherwise: int | None = None) -> int:
    """Return a whole number that is the same for all layers."""
    value = given.get(name, otherwise)
    value = otherwise if value is None else value
    if type(value) is not int or value < 1:
        raise KeyError(name)
    return value


def differences(given: Mapping[str, Any]) -> list[str]:
    """Return how ``given``, the ``config.json`` of a checkpoint, differs from the decoder: a phrase for each."""
    kind = given.get("model_type")
    if kind not in READABLE:
        return [f"its architecture is '{kind}'"]
    found = [f"{name} is set" for name in ("attention_bias", "mlp_bias", "quantization_config") if given.get(name)]
    if (act := given.get("hidden_act", "silu")) != "silu":
        found.append(f"its activation is '{act}'")
    rope = _rope(given)
    if (scaling := rope.get("rope_type", rope.get("type", "default"))) != "default":
        found.append(f"rope scaling '{scaling}'")
    if rope.get("partial_rotary_factor", given.get("partial_rotary_factor")) not in (None, 1):
        found.append("rotary positions on a part of each head")
    slides = given.get("use_sliding_window", kind == "mistral")
    if slides and given.get("sliding_window") is not None:
        found.append(f"attention over a sliding window of {given['sliding_window']}")
    width, heads = given.get("hidden_size"), given.get("num_attention_heads")
    head = given.get("head_dim") or (128 if kind == "qwen3" else None)
    if isinstance(width, int) and isinstance(heads, int) and heads > 0 and head not in (None, width / heads):
        found.append(f"heads of {head} where width {width} over {plural(heads, 'head')} is {width / heads:g}")
    return found


def _rope(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of rotary positions, which transformers 4 and 5 keep in different places."""
    rope = dict(given.get("rope_scaling") or {}) | dict(given.get("rope_parameters") or {})
    return ({"rope_theta": given["rope_theta"]} if given.get("rope_theta") is not None else {}) | rope

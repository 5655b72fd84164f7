"""Random models of every family that can be read, and what ``transformers`` alone says of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from calque.models.huggingface.architecture import names, settings
from calque.models.huggingface.library import transformers
from tests.huggingface_models import GROUPED, model

OURS: dict[str, dict[str, Any]] = {
    "plain": {"kv_heads": 4},
    "grouped": {"kv_heads": 2, "tied": True},
    "normed": {"kv_heads": 2, "qk_norm": True},
    "multiplied": {"kv_heads": 1, "qk_norm": True, "tied": True, "base_width": 8, "base_layers": 1},
}
"""Decoders: plain and grouped attention, norms on queries and keys, tied, multipliers of CompleteP."""
THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", GROUPED),
    "llama-biased": ("llama", GROUPED | {"attention_bias": True, "mlp_bias": True}),
    "mistral": ("mistral", GROUPED | {"head_dim": 8, "sliding_window": None}),
    "mistral-window": ("mistral", GROUPED | {"head_dim": 8, "sliding_window": 4}),
    "qwen2": ("qwen2", GROUPED),
    "qwen2-window": ("qwen2", GROUPED | {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1}),
    "qwen3": ("qwen3", GROUPED | {"head_dim": 12, "tie_word_embeddings": True}),
    "olmo2": ("olmo2", GROUPED),
    "gpt_neox": ("gpt_neox", {}),
    "gpt_neox-sequential": ("gpt_neox", {"use_parallel_residual": False}),
}
"""Models of ``transformers``: the kind, and what differs from the shape of all."""
ALL = [*OURS, *THEIRS]


def decoder(name: str, **changes: Any) -> Decoder:
    """Return a random decoder in float64, its gains drawn too."""
    shape = {"width": 32, "layers": 2, "heads": 4, "ffn_width": 48, "vocab_size": 61, "rope_base": 100.0}
    made = Decoder(DecoderConfig(**{**shape, **OURS[name], **changes}), seed=3).double()
    return drawn(made)


def drawn(made: Any) -> Any:
    """Draw gains and biases, so that none is left out unseen."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() == 1:
                parameter += 0.5 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return made.eval()


def reading_model(name: str, kind: torch.dtype = torch.float64, attention: str = "sdpa") -> Any:
    """Return the random model of a name, in float64 by default."""
    if name in OURS:
        return decoder(name).to(kind)
    family, changes = THEIRS[name]
    return drawn(model(family, attn_implementation=attention, **{"vocab_size": 61, **changes})).to(kind)


def in_transformers(made: Any, name: str) -> Any:
    """Return the same model in ``transformers``, attention computed step by step: the witness of what is read."""
    if name not in OURS:
        witness = reading_model(name, made.dtype, "eager")
        witness.load_state_dict(made.state_dict())
        return witness
    config = settings(made.config, 64, None)
    kind = config.pop("model_type")
    library = transformers()
    witness = library.AutoModelForCausalLM.from_config(
        library.AutoConfig.for_model(kind, **config, attn_implementation="eager")
    )
    folded = made.folded_weights()
    state = {theirs: folded[ours] for ours, theirs in names(made.config).items()}
    left = witness.to(torch.float64).load_state_dict(state, strict=False)
    assert not left.unexpected_keys and set(left.missing_keys) <= {"lm_head.weight"}
    witness.tie_weights()
    return witness.eval()


def some_prompts(lengths: tuple[int, ...] = (9, 5, 9, 7, 9), vocabulary: int = 61) -> list[list[int]]:
    """Return random prompts."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(vocabulary, (n,), generator=generator).tolist() for n in lengths]


@torch.no_grad()
def witnessed(witness: Any, tokens: Tensor) -> Any:
    """Return what a model of ``transformers`` says of itself: hidden states, attentions, logits."""
    return witness(input_ids=tokens, use_cache=False, output_hidden_states=True, output_attentions=True)

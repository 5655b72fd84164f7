"""The architecture families whose parts are known, and the parts of a model of one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from calque.data.errors import UserError
from calque.models.decoder.decoder import Decoder
from calque.models.huggingface.transformers_model import TransformersModel
from calque.models.reading.decoder import decoder_parts
from calque.models.reading.gpt_neox import gpt_neox_parts
from calque.models.reading.llama import llama_parts
from calque.models.reading.olmo2 import olmo2_parts
from calque.models.reading.parts import ModelParts
from calque.models.scoring.language_model import DecoderModel

FAMILIES: dict[str, Callable[[Any], ModelParts]] = {
    "llama": llama_parts, "mistral": llama_parts, "qwen2": llama_parts, "qwen3": llama_parts, "olmo2": olmo2_parts,
    "gpt_neox": gpt_neox_parts,
}  # fmt: skip
"""The families of ``transformers`` by their ``model_type``; ours is known by its class."""


def model_parts(model: Any) -> ModelParts:
    """Return the parts of a ``model``.

    Parameters
    ----------
    model : Decoder, LanguageModel, or a causal language model of ``transformers``
        In memory. It is not changed.

    Raises
    ------
    UserError
        When its architecture is of no known family.
    """
    if isinstance(model, TransformersModel):
        model = model.model
    elif isinstance(model, DecoderModel):
        model = model.decoder
    if isinstance(model, Decoder):
        return decoder_parts(model)
    kind = getattr(getattr(model, "config", None), "model_type", None)
    if kind not in FAMILIES or not callable(getattr(model, "get_output_embeddings", None)):
        named = f"its architecture is '{kind}'" if kind else f"it is of type {type(model).__name__}"
        raise UserError(
            f"`model` cannot be read: {named}; expected one of Calque's decoders or a causal language model of "
            f"transformers: {', '.join(FAMILIES)}"
        )
    if model.get_output_embeddings() is None:
        raise UserError(f"`model` ({kind}) has no output projection; load it with AutoModelForCausalLM")
    return FAMILIES[kind](model)

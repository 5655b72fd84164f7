"""Import of a checkpoint of the Llama architecture into the decoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from calque.data.errors import UserError
from calque.models.decoder.decoder import Decoder
from calque.models.huggingface.architecture import decoder_config, names
from calque.models.huggingface.weights import read_weights, weight_files

DERIVED = (".rotary_emb.inv_freq", ".attn.masked_bias", ".attn.bias")
"""Suffixes of tensors in older files that follow from the configuration and are ignored."""


def read_config(folder: Path) -> dict[str, Any]:
    """Return the ``config.json`` in ``folder``.

    Raises
    ------
    UserError
        When it is missing or damaged.
    """
    path = folder / "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{folder} holds no config.json; expected a model as transformers saves it") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise UserError(f"{path} is damaged; fetch it again") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged; fetch it again")
    return found


def import_decoder(folder: Path, dtype: torch.dtype = torch.float32) -> Decoder:
    """Return the model that ``transformers`` saved in a folder as a decoder in evaluation mode.

    Parameters
    ----------
    folder : Path
        With ``config.json`` and weights: safetensors, or pickled files, of which only tensors are read; one file, or
        several with an index.
    dtype : torch.dtype
        Of the decoder's weights, independent of the file's.

    Raises
    ------
    UserError
        When the architecture differs from the decoder's (all differences are named), or the files are missing, damaged
        or do not fit their configuration.
    """
    config = decoder_config(read_config(folder), str(folder))
    theirs = read_weights(weight_files(folder))
    wanted = names(config)
    missing = sorted(set(wanted.values()) - set(theirs))
    unknown = sorted(name for name in set(theirs) - set(wanted.values()) if not name.endswith(DERIVED))
    if config.tied and "lm_head.weight" in unknown:
        unknown.remove("lm_head.weight")
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"holds {unknown[0]}, which its config.json does not know"
        raise UserError(f"the weights of {folder} do not fit its config.json: it {what}; fetch both again")
    with torch.device("meta"):  # weights that are replaced are neither drawn nor allocated
        decoder = Decoder(config)
    weights = {mine: theirs[name].to(dtype, copy=True) for mine, name in wanted.items()}
    if config.tied:
        weights["head.weight"] = weights["embedding.weight"]
    try:
        decoder.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the weights of {folder} do not fit its config.json ({reason}); fetch both again") from None
    if config.tied:
        decoder.head.weight = decoder.embedding.weight
    return decoder.eval()

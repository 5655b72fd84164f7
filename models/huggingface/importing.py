"""A checkpoint of the Llama architecture as our decoder."""

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
"""Endings of tensors that older files hold though the configuration gives them."""


def read_config(folder: Path) -> dict[str, Any]:
    """Return a folder's ``config.json``.

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
    """Return the model in a folder, as ``transformers`` saves it, as our decoder in evaluation mode.

    Parameters
    ----------
    folder : Path
        With ``config.json`` and weights: safetensors, or pickled ones, which are read as bare tensors; in one file or
        in several with an index.
    dtype : torch.dtype
        Of the decoder's weights, whatever the file's.

    Raises
    ------
    UserError
        When the architecture differs from ours (all differences are named), or the files are missing or damaged or
        do not fit their configuration.
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
    with torch.device("meta"):  # nothing is drawn or allocated for weights that are replaced
        decoder = Decoder(config)
    ours = {mine: theirs[name].to(dtype, copy=True) for mine, name in wanted.items()}
    if config.tied:
        ours["head.weight"] = ours["embedding.weight"]
    try:
        decoder.load_state_dict(ours, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the weights of {folder} do not fit its config.json ({reason}); fetch both again") from None
    if config.tied:
        decoder.head.weight = decoder.embedding.weight
    return decoder.eval()

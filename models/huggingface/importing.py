"""Import of a checkpoint of the Llama architecture into the decoder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch

from calque.data.errors import UserError
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from calque.models.huggingface.architecture import decoder_config, names
from calque.models.huggingface.config_file import brief, read_config
from calque.models.huggingface.weights import read_weights, stored_shapes, weight_files

DERIVED = (".rotary_emb.inv_freq", ".attn.masked_bias", ".attn.bias")
"""Suffixes of tensors in older files that follow from the configuration and are ignored."""


def import_decoder(folder: str | os.PathLike[str], dtype: torch.dtype = torch.float32) -> Decoder:
    """Return the model that ``transformers`` saved in a folder as a decoder in evaluation mode.

    Parameters
    ----------
    folder : path
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
    folder = Path(folder)
    config = decoder_config(read_config(folder), str(folder))
    files = weight_files(folder)
    wanted = _fitting(config, stored_shapes(files), folder)
    theirs = read_weights(files)
    with torch.device("meta"):  # weights that are replaced are neither drawn nor allocated
        decoder = Decoder(config)
    weights = {mine: theirs[name].to(dtype, copy=True) for mine, name in wanted.items()}
    if config.tied:
        weights["head.weight"] = weights["embedding.weight"]
    decoder.load_state_dict(weights, assign=True)
    if config.tied:
        decoder.head.weight = decoder.embedding.weight
    return decoder.eval()


def _fitting(config: DecoderConfig, shapes: Mapping[str, tuple[int, ...]], folder: Path) -> dict[str, str]:
    """Return the names of a decoder's weights in files of these shapes; refuse files that do not fit.

    Nothing is allocated that is larger than the files: the number of layers and every size are checked first.
    """
    unfit = f"the weights of {folder} do not fit its config.json"
    layers = {int(found[1]) for name in shapes if (found := re.match(r"model\.layers\.(\d{1,9})\.", name))}
    if config.layers > len(shapes):
        raise UserError(f"{unfit}: it lacks model.layers.{max(layers, default=-1) + 1}; fetch both again")
    wanted = names(config)
    missing = sorted(set(wanted.values()) - set(shapes))
    unknown = sorted(name for name in set(shapes) - set(wanted.values()) if not name.endswith(DERIVED))
    if config.tied and "lm_head.weight" in unknown:
        unknown.remove("lm_head.weight")
    if missing or unknown:
        what = (
            f"lacks {missing[0]}" if missing else f"holds {brief(unknown[0], 60)}, which its config.json does not know"
        )
        raise UserError(f"{unfit}: it {what}; fetch both again")
    largest = max(size for shape in shapes.values() for size in (*shape, 1))
    asked = {"hidden_size": config.width, "intermediate_size": config.ffn_width, "vocab_size": config.vocab_size}
    for name, size in asked.items():
        if size > largest:
            raise UserError(f"{unfit} (size mismatch: {name} is {size}, their largest is {largest}); fetch both again")
    with torch.device("meta"):
        expected = {name: tuple(weight.shape) for name, weight in Decoder(config).state_dict().items()}
    for mine, name in wanted.items():
        if expected[mine] != shapes[name]:
            raise UserError(
                f"{unfit} (size mismatch for {name}: {list(shapes[name])} in the file, expected "
                f"{list(expected[mine])}); fetch both again"
            )
    return wanted

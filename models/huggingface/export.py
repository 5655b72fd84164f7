"""Export of a decoder as a folder that ``transformers`` loads: weights, configuration, tokenizer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict
from tokenizers import Tokenizer

from calque.data.errors import UserError
from calque.data.files import sync_folder
from calque.data.json_files import write_json
from calque.data.version import code_version
from calque.models.decoder.decoder import Decoder
from calque.models.huggingface.architecture import names, settings
from calque.models.huggingface.tokenizer import export_tokenizer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SHARD = "5GB"


def export(
    decoder: Decoder, folder: str | os.PathLike[str], *, context: int, tokenizer: Tokenizer | None,
    origin: Mapping[str, Any], dtype: str = "float32",
) -> str:  # fmt: skip
    """Write a decoder as a folder that ``AutoModelForCausalLM`` and ``AutoTokenizer`` load.

    Multipliers are folded into the weights, which are written as safetensors, in several files with an index where they
    are large. The folder appears once it is complete.

    Parameters
    ----------
    decoder : Decoder
    folder : path
        It must not exist yet.
    context : int
        Tokens of a training sequence.
    tokenizer : tokenizers.Tokenizer, optional
        None exports the model alone.
    origin : mapping of str to value
        Provenance of the weights, for the folder's README.
    dtype : str
        Of the written weights, one of ``DTYPES``; float32 keeps every bit.

    Returns
    -------
    str
        The architecture in ``transformers``.

    Raises
    ------
    UserError
        When the folder exists, the dtype is unknown, or the tokenizer has more tokens than the model.
    """
    folder = Path(folder)
    if dtype not in DTYPES:
        raise UserError(f"`dtype` is '{dtype}'; expected one of {', '.join(DTYPES)}")
    if folder.exists():
        raise UserError(f"{folder} is there already; choose another name or remove it")
    if tokenizer is not None and tokenizer.get_vocab_size() > decoder.config.vocab_size:
        raise UserError(
            f"the tokenizer has {tokenizer.get_vocab_size()} tokens and the model {decoder.config.vocab_size}; they do "
            "not belong together"
        )
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        plain = replace(decoder.config, base_width=None, base_layers=None)
        begin = None if tokenizer is None else export_tokenizer(tokenizer, partial, context)
        config = settings(plain, context, begin) | {"dtype": dtype, "torch_dtype": dtype}
        weights = decoder.folded_weights()
        save_torch_state_dict(
            {theirs: weights[mine].detach().to("cpu", DTYPES[dtype]) for mine, theirs in names(plain).items()},
            partial, max_shard_size=SHARD, metadata={"format": "pt"},
        )  # fmt: skip
        write_json(partial / "config.json", config, indent=2)
        write_json(partial / "generation_config.json", {"bos_token_id": begin, "eos_token_id": begin}, indent=2)
        (partial / "README.md").write_text(_card(config, origin), encoding="utf-8")
        for file in partial.iterdir():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        sync_folder(partial)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return str(config["architectures"][0])


def _card(config: Mapping[str, Any], origin: Mapping[str, Any]) -> str:
    lines = "\n".join(f"- {name}: {value}" for name, value in origin.items())
    return (
        f"---\nlibrary_name: transformers\n---\n# {origin.get('run', 'A decoder')}\n\n"
        f"A language model pretrained with Calque {code_version()}, as `{config['architectures'][0]}`.\n\n{lines}\n"
    )

"""Tokenizers: export for ``AutoTokenizer``, and import of those of other models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, processors

from calque.data.errors import UserError
from calque.data.json_files import write_json
from calque.data.tokens.encoding import Encoding
from calque.data.tokens.tokenizers import bos, load_foreign
from calque.models.huggingface.config_file import read_object


def export_tokenizer(tokenizer: Tokenizer, folder: str | os.PathLike[str], context: int) -> int:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``.

    With special tokens, the exported tokenizer puts the token that begins a document before every text, as training
    did.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    folder : path
    context : int
        Tokens of a training sequence.

    Returns
    -------
    int
        The token that begins a document.
    """
    folder = Path(folder)
    begin = bos(tokenizer)
    name = tokenizer.id_to_token(begin)
    exported = Tokenizer.from_str(tokenizer.to_str())
    exported.post_processor = processors.TemplateProcessing(
        single=f"{name} $A", pair=f"{name} $A {name}:1 $B:1", special_tokens=[(name, begin)]
    )
    (folder / "tokenizer.json").write_text(exported.to_str(pretty=True), encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": name, "eos_token": name,
        "clean_up_tokenization_spaces": False, "model_max_length": context,
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", settings, indent=2)
    return begin


class ModelEncoding(Encoding):
    """The tokenizer of a model, with the token that begins a document according to the model's own files.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    begin : int
        The token that begins a document.
    """

    def __init__(self, tokenizer: Tokenizer, begin: int) -> None:
        super().__init__(tokenizer)
        self._first = begin


def encoding_of(folder: str | os.PathLike[str], config: dict[str, Any]) -> ModelEncoding:
    """Return the encoding of the model in a folder.

    A document begins with the ``bos_token`` of ``tokenizer_config.json``, or else the ``bos_token_id`` of
    ``config.json``, or else a token of a usual name (see ``calque.data.tokens.tokenizers.BEGINNINGS``).

    Parameters
    ----------
    folder : path
        With ``tokenizer.json``.
    config : dict
        The model's ``config.json``.

    Raises
    ------
    UserError
        When ``tokenizer.json`` is missing or damaged, or no token of the model begins a document.
    """
    folder = Path(folder)
    path = folder / "tokenizer.json"
    if not path.exists():
        raise UserError(
            f"{folder} holds no tokenizer.json; save the tokenizer in its fast form, or name another with `tokenizer`"
        )
    tokenizer = load_foreign(path)
    begin = _named(tokenizer, folder / "tokenizer_config.json")
    given = config.get("vocab_size")
    rows = given if isinstance(given, int) else tokenizer.get_vocab_size()
    if begin is None and type(config.get("bos_token_id")) is int:
        begin = config["bos_token_id"]
    if begin is None:
        begin = bos(tokenizer)
    if not 0 <= begin < rows:
        raise UserError(
            f"no token of the model in {folder} begins a document; add bos_token to its tokenizer_config.json"
        )
    return ModelEncoding(tokenizer, begin)


def _named(tokenizer: Tokenizer, path: Path) -> int | None:
    if not path.exists():
        return None
    name = read_object(path, "settings of a tokenizer").get("bos_token")
    text = name.get("content") if isinstance(name, dict) else name
    return tokenizer.token_to_id(text) if isinstance(text, str) else None

"""The weights in a folder of ``transformers``: their files, SHA-256 and tensors."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from calque.data.errors import UserError

NAMES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Files with weights, or indices of such files; the first that exists is used."""


def weight_files(folder: Path) -> list[Path]:
    """Return the files with the weights in ``folder``, sorted by name.

    Raises
    ------
    UserError
        When there are none, the index is damaged, or a file that it names is missing.
    """
    name = next((name for name in NAMES if (folder / name).exists()), None)
    if name is None:
        raise UserError(f"{folder} holds no weights; expected one of {', '.join(NAMES)}")
    if not name.endswith(".index.json"):
        return [folder / name]
    try:
        parts = sorted(set(json.loads((folder / name).read_text(encoding="utf-8"))["weight_map"].values()))
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        raise UserError(f"{folder / name} is damaged; fetch it again") from None
    for part in parts:
        if Path(part).name != part or not (folder / part).exists():
            raise UserError(f"{folder / name} names the file {part}, which is missing; fetch it again")
    return [folder / part for part in parts]


def weights_sha256(files: list[Path]) -> str:
    """Return the SHA-256 of the weights in ``files``: of one file, or of the lines ``SHA-256  NAME`` of several.

    In the hub's cache a file is a link to one that is named by its SHA-256, which is checked.

    Raises
    ------
    UserError
        When the content of a file has another SHA-256 than its name.
    """
    found = [(_checked(file), file.name) for file in files]
    if len(found) == 1:
        return found[0][0]
    return hashlib.sha256("".join(f"{digest}  {name}\n" for digest, name in found).encode()).hexdigest()


def _checked(file: Path) -> str:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    promised = file.resolve().name
    if file.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", promised) and promised != digest:
        raise UserError(
            f"{file} is damaged (SHA-256 {digest[:12]}, expected {promised[:12]}); remove and fetch it again"
        )
    return digest


def read_weights(files: list[Path]) -> dict[str, Tensor]:
    """Return the tensors in ``files``, on the CPU; of pickled files only tensors are read, and no code is run.

    Raises
    ------
    UserError
        When a file is damaged or contains no tensors.
    """
    found: dict[str, Tensor] = {}
    for file in files:
        try:
            if file.suffix == ".safetensors":
                found |= load_file(file)
            else:
                found |= torch.load(file, map_location="cpu", weights_only=True)
        except (
            SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, TypeError
        ) as error:  # fmt: skip
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{file} is damaged or holds no weights ({reason}); fetch it again") from None
    return found

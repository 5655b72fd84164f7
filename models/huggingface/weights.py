"""The weights in a folder of ``transformers``: their files, SHA-256 and tensors."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from calque.data.errors import UserError
from calque.models.huggingface.config_file import brief, read_object

NAMES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Files with weights, or indices of such files; the first that exists is used."""
LONGEST_NAME = 200


def weight_files(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the files with the weights in ``folder``, sorted by name.

    Raises
    ------
    UserError
        When there are none, the index is damaged, or a file that it names is missing or stands elsewhere.
    """
    folder = Path(folder)
    name = next((name for name in NAMES if (folder / name).exists()), None)
    if name is None:
        raise UserError(f"{folder} holds no weights; expected one of {', '.join(NAMES)}")
    if not name.endswith(".index.json"):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is no file; expected weights")
        return [folder / name]
    index = read_object(folder / name, "an index of weights").get("weight_map")
    if not isinstance(index, dict) or not index:
        raise UserError(f"{folder / name} is damaged; fetch it again")
    ending = ".bin" if name.startswith("pytorch") else ".safetensors"
    for part in index.values():
        if not _is_name(part, ending):
            raise UserError(
                f"{folder / name} names '{brief(part, 60)}' where a file *{ending} beside it is expected; "
                "fetch it again"
            )
        if not (folder / part).is_file():
            raise UserError(f"{folder / name} names the file {brief(part, 60)}, which is missing; fetch it again")
    return [folder / part for part in sorted(set(index.values()))]


def _is_name(part: object, ending: str) -> bool:
    plain = isinstance(part, str) and "\0" not in part and len(part) < LONGEST_NAME
    return isinstance(part, str) and plain and part.endswith(ending) and Path(part).name == part


def file_digests(files: Sequence[str | os.PathLike[str]]) -> dict[str, str]:
    """Return the SHA-256 of each of ``files`` by its name.

    In the hub's cache a file is a link to one that is named by its SHA-256, which is checked.

    Raises
    ------
    UserError
        When the content of a file has another SHA-256 than its name.
    """
    return {Path(file).name: _checked(Path(file)) for file in files}


def weights_sha256(digests: Mapping[str, str]) -> str:
    """Return the SHA-256 of weights: of one file, or of the lines ``SHA-256  NAME`` of several.

    Parameters
    ----------
    digests : mapping of str to str
        SHA-256 of every file by its name, as :func:`file_digests` returns them.
    """
    if len(digests) == 1:
        return next(iter(digests.values()))
    return hashlib.sha256(digest_lines(digests).encode()).hexdigest()


def digest_lines(digests: Mapping[str, str]) -> str:
    """Return ``digests`` as lines ``SHA-256  NAME``, sorted by name."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def _checked(file: Path) -> str:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    promised = file.resolve().name
    if file.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", promised) and promised != digest:
        raise UserError(
            f"{file} is damaged (SHA-256 {digest[:12]}, expected {promised[:12]}); remove and fetch it again"
        )
    return digest


def read_weights(files: Sequence[str | os.PathLike[str]]) -> dict[str, Tensor]:
    """Return the tensors in ``files``, on the CPU; of pickled files only tensors are read, and no code is run.

    Raises
    ------
    UserError
        When a file is damaged or contains no tensors.
    """
    found: dict[str, Tensor] = {}
    for file in map(Path, files):
        with _damage(file):
            found |= load_file(file) if file.suffix == ".safetensors" else _pickled(file, "cpu")
    return found


def stored_shapes(files: Sequence[str | os.PathLike[str]]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors in ``files``, by name, without reading the tensors.

    Raises
    ------
    UserError
        When a file is damaged or contains no tensors.
    """
    found: dict[str, tuple[int, ...]] = {}
    for file in map(Path, files):
        with _damage(file):
            if file.suffix == ".safetensors":
                with safe_open(file, "pt") as opened:
                    found |= {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
            else:
                found |= {name: tuple(tensor.shape) for name, tensor in _pickled(file, "meta").items()}
    return found


def _pickled(file: Path, place: str) -> dict[str, Tensor]:
    found = torch.load(file, map_location=place, weights_only=True)
    if not isinstance(found, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items()):
        raise TypeError("no dictionary of tensors")
    return found


@contextmanager
def _damage(file: Path) -> Iterator[None]:
    """Say which file is damaged, when reading it fails in any of the ways of the libraries."""
    try:
        yield
    except (
        SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, TypeError, ValueError,
        KeyError, IndexError, AttributeError, OverflowError, OSError, RecursionError,
    ) as error:  # fmt: skip
        raise UserError(f"{file} is damaged or holds no weights ({brief(error, 80)}); fetch it again") from None

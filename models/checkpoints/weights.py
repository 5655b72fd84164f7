"""The weights of a checkpoint: safetensors with a SHA-256 file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor

from calque.data.errors import UserError
from calque.data.files import write_atomically
from calque.models.checkpoints import digests
from calque.models.config import retention
from calque.models.decoder.decoder import Decoder

Weights = dict[str, Tensor]


def copy_to_memory(weights: Weights, dtype: torch.dtype | None = None) -> Weights:
    """Return copies of ``weights`` in main memory, in ``dtype`` when given, which training does not change."""
    return {name: w.detach().to("cpu", dtype or w.dtype, copy=True).contiguous() for name, w in weights.items()}


def serialise_weights(weights: Weights, tied: bool) -> tuple[bytes, str]:
    """Return a decoder's weights as safetensors, and their SHA-256.

    Parameters
    ----------
    weights : dict of str to Tensor
        A decoder's state, in main memory.
    tied : bool
        Whether the output projection is the embedding: it is left out then, and :func:`load_weights` ties it again.
    """
    content = save({name: tensor for name, tensor in weights.items() if not (tied and name == "head.weight")})
    return content, hashlib.sha256(content).hexdigest()


def write_weights(path: str | os.PathLike[str], content: bytes, digest: str) -> None:
    """Write ``content`` and ``digest``, which :func:`serialise_weights` gave, to ``path`` and its SHA-256 file."""
    path = Path(path)
    write_atomically(path, content)
    digests.write_digests(path, {path.name: digest})


def load_weights(decoder: Decoder, path: str | os.PathLike[str]) -> Decoder:
    """Load the weights in ``path``, which :func:`write_weights` wrote, into ``decoder`` and return it.

    Raises
    ------
    UserError
        When the file is missing, has another SHA-256 than it was written with, or is of another shape.
    """
    path = Path(path)
    digests.verify(path)
    try:
        weights = load(path.read_bytes())
        if decoder.config.tied:
            weights["head.weight"] = weights["embedding.weight"]
        decoder.load_state_dict(weights)
    except Exception as error:  # safetensors raises its own class; a wrong shape comes as RuntimeError
        reason = " ".join(str(error).split())
        raise UserError(f"{path} does not fit this model ({reason}); use the size it was trained with") from error
    return decoder


def weights_path(folder: str | os.PathLike[str], step: int) -> Path:
    """Return the file with the weights of ``step`` in a run's ``folder``."""
    folder = Path(folder)
    return folder / "weights" / f"step-{step:08d}.safetensors"


def written_steps(folder: str | os.PathLike[str]) -> list[int]:
    """Return the steps whose weights are in a run's ``folder``, ascending: planned and adaptive checkpoints."""
    folder = Path(folder)
    return sorted(int(path.stem.removeprefix("step-")) for path in (folder / "weights").glob("step-*.safetensors"))


def drop_weights(folder: str | os.PathLike[str], policy: str, planned: Sequence[int], newest: int) -> None:
    """Remove the weights that the retention policy does not keep.

    Parameters
    ----------
    folder : path
        The run's.
    policy : str
        See ``calque.models.config.retention``.
    planned : sequence of int
        Steps of all planned checkpoints, ascending.
    newest : int
        Weights of later steps are left alone.
    """
    folder = Path(folder)
    written = [step for step in written_steps(folder) if step <= newest]
    for step in set(written) - retention.kept_steps(policy, written, planned):
        digests.remove(weights_path(folder, step))

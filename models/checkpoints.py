"""Checkpoints on disk: weights as safetensors with their SHA-256, and full training states to go on from."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from pathlib import Path

import lightning.pytorch as pl
import torch
from safetensors.torch import load, save

from data.errors import UserError
from data.files import replacing, write_atomically
from models.decoder import Decoder

KEPT_STATES = 2


def save_weights(decoder: Decoder, path: Path) -> str:
    """Write the weights as safetensors and return the file's SHA-256.

    A tied output projection is left out; :func:`load_weights` ties it again.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in decoder.state_dict().items()}
    if decoder.config.tied:
        del weights["head.weight"]
    content = save(weights)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def load_weights(decoder: Decoder, path: Path) -> Decoder:
    """Load weights that :func:`save_weights` wrote into ``decoder`` and return it.

    Raises
    ------
    UserError
        When the file is missing, damaged, or of another shape.
    """
    try:
        weights = load(path.read_bytes())
        if decoder.config.tied:
            weights["head.weight"] = weights["embedding.weight"]
        decoder.load_state_dict(weights)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; expected weights as safetensors") from None
    except Exception as error:  # safetensors raises its own class; a wrong shape comes as RuntimeError
        reason = " ".join(str(error).split())
        raise UserError(f"{path} does not fit this model ({reason}); use the size it was trained with") from error
    return decoder


def save_state(trainer: pl.Trainer, folder: Path, step: int) -> None:
    """Save everything that resuming needs as ``folder/step-N.ckpt``; older states beyond two are removed."""
    with replacing(folder / f"step-{step:08d}.ckpt") as temporary:
        trainer.save_checkpoint(temporary)
    for old in newest_states(folder)[KEPT_STATES:]:
        old.unlink(missing_ok=True)


def newest_states(folder: Path) -> list[Path]:
    """Return the saved states, newest first."""
    return sorted(folder.glob("step-*.ckpt"), reverse=True)


def load_state(path: Path) -> int | None:
    """Return the step of a saved state, or None when the file is damaged (the one before it is tried then)."""
    try:
        return int(torch.load(path, map_location="cpu", weights_only=True)["global_step"])
    except (RuntimeError, EOFError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError):
        return None

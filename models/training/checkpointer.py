"""The checkpointer: copies and writes the weights, has the model scored, and saves full states now and then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch import distributed as dist
from torch.distributed.tensor import DTensor

from calque.models.checkpoints.state import State, save_sharded_state, save_state
from calque.models.checkpoints.weights import (
    Weights,
    copy_to_memory,
    drop_weights,
    serialise_weights,
    weights_path,
    write_weights,
)
from calque.models.checkpoints.writer import BackgroundWriter
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.compiling import run_eagerly
from calque.models.training.strategy import PATIENCE

OnCheckpoint = Callable[[int, Decoder, "Future[str]", float], None]
"""Called with step, decoder, a future of the SHA-256 of its weights, and seconds of training since the last one."""
Along = Callable[[int, Decoder], None]
"""Called on every rank but 0 with step and decoder while rank 0 scores: to score a share of the checkpoint."""

STATE_SHARE = 50
"""A full state is saved at most once in this many times the duration of the last save: 2 % of the time."""


class Checkpointer:
    """Saves weights at the scheduled steps, has the model scored, and saves full training states.

    Weights are stored in the precision of computation: float32 under ``32-true``, else bfloat16. The scored model has
    exactly the stored weights. Where training holds others, or shards, each process that scores has a second decoder,
    which gets the gathered weights.

    Parameters
    ----------
    fabric : Fabric
    decoder : Decoder
        The one in training.
    config : TrainingConfig
    folder : Path
        The run's; gets ``weights/`` and ``states/``.
    steps : tuple of int
        Planned checkpoints, ascending.
    on_checkpoint : callable
        See :data:`OnCheckpoint`; called on rank 0.
    along : callable, optional
        See :data:`Along`. All other ranks have it, or none: then rank 0 alone scores.
    state_seconds : float
        Least time between full states; 0 saves one at every checkpoint.
    writer : BackgroundWriter
    keep_states : collection of int
        Planned steps whose full states are saved, and stay.
    """

    def __init__(
        self, fabric: Fabric, decoder: Decoder, config: TrainingConfig, folder: str | os.PathLike[str],
        steps: tuple[int, ...],
        on_checkpoint: OnCheckpoint, state_seconds: float, writer: BackgroundWriter, along: Along | None = None,
        keep_states: Collection[int] = (),
    ) -> None:  # fmt: skip
        folder = Path(folder)
        self.fabric, self.decoder, self.config, self.folder, self.steps = fabric, decoder, config, folder, steps
        self.on_checkpoint, self.state_seconds, self.writer = on_checkpoint, state_seconds, writer
        self.compiled, self.keep_states = False, frozenset(keep_states)
        self.sharded = config.devices > 1 and config.strategy == "fsdp2"
        self.dtype = torch.float32 if config.precision == "32-true" else torch.bfloat16
        self.along, self.scores = along, fabric.global_rank == 0 or along is not None
        self.scored = decoder
        if self.scores and (self.sharded or config.mixed):
            self.scored = Decoder(decoder.config, drawn=False).to(self.dtype).requires_grad_(False)
        self.group = dist.new_group(backend="gloo", timeout=PATIENCE) if self.sharded else None
        self.saved_at, self.state_took, self.clock = time.monotonic(), 0.0, time.monotonic()

    def save(self, step: int, state: Callable[[], State]) -> None:
        """Save the checkpoint of ``step``, and the full ``state`` if one is due; every process calls this.

        Rank 0 writes the weights; it has the model scored, alone or with the other processes.
        """
        seconds = time.monotonic() - self.clock
        weights = self._weights()
        if self.fabric.global_rank == 0:
            digest = self._write(step, weights)
            self._score(weights, lambda model: self.on_checkpoint(step, model, digest, seconds))
        elif self.along is not None:
            along = self.along
            self._score(weights, lambda model: along(step, model))
        pause = max(self.state_seconds, STATE_SHARE * self.state_took) if self.state_seconds else 0.0
        due = step == self.steps[-1] or step in self.keep_states or time.monotonic() - self.saved_at >= pause
        if self.fabric.broadcast(due) if self.config.devices > 1 else due:
            self.save_training_state(state)
        self.clock = time.monotonic()

    def _weights(self) -> Weights:
        """Return a copy of the whole weights in main memory where they are written or scored; nothing elsewhere."""
        needed = self.fabric.global_rank == 0 or (self.scores and self.scored is not self.decoder)
        if not self.sharded:
            return copy_to_memory(self.decoder.state_dict(), self.dtype) if needed else {}
        weights: Weights = {}
        for name, tensor in self.decoder.state_dict().items():
            whole = _whole(tensor)  # a collective: every process takes part, one tensor at a time
            if needed:
                weights |= copy_to_memory({name: whole}, self.dtype)
        return weights

    def _write(self, step: int, weights: Weights) -> Future[str]:
        """Submit the weights to the writer; return the future of their SHA-256."""
        serialised: list[tuple[bytes, str]] = []
        path = weights_path(self.folder, step)

        def serialise() -> str:
            serialised.append(serialise_weights(weights, self.decoder.config.tied))
            return serialised[0][1]

        def write() -> None:
            write_weights(path, *serialised.pop())
            drop_weights(self.folder, self.config.keep_weights, self.steps, step)

        digest = self.writer.submit(serialise)
        self.writer.submit(write)
        return digest

    def _score(self, weights: Weights, score: Callable[[Decoder], None]) -> None:
        """Have the model with ``weights`` scored, between trainings whose cached memory is of other sizes."""
        model = self.scored
        if model is not self.decoder:
            model.load_state_dict(weights)
            model.to(self.fabric.device)
        model.eval()
        give_back_memory(self.fabric.device)
        with run_eagerly(self.compiled):
            score(model)
        model.train()
        if model is not self.decoder:
            model.to("cpu")
        give_back_memory(self.fabric.device)

    def save_training_state(self, state: Callable[[], State]) -> None:
        """Copy the full ``state`` and have it written after what waits, its weights too; every process calls this."""
        began = time.monotonic()
        if self.sharded or self.fabric.global_rank == 0:
            copied, folder = copy_to_memory(state()), self.folder / "states"

            def write() -> None:
                if self.sharded:
                    save_sharded_state(copied, folder, self.keep_states, self.group)
                else:
                    save_state(copied, folder, self.keep_states)
                self.state_took = time.monotonic() - began

            self.writer.submit(write)
        self.saved_at = time.monotonic()


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def give_back_memory(device: torch.device) -> None:
    """Give cached memory back to ``device``, where that is a GPU: blocks of one use may not fit another."""
    if device.type == "cuda":
        torch.cuda.empty_cache()

"""Training a decoder through Lightning: AdamW, warmup-stable-decay, gradient clipping, exact resumption."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models import optimisers
from models.checkpoints import load_state, newest_states, save_state, save_weights
from models.decoder import Decoder
from models.training_config import TrainingConfig


class Batches(Protocol):
    """What gives the batch of a step; ``data.sampler.Sampler`` does."""

    def batch(self, step: int) -> NDArray[np.int64]:
        """Return the token ids of step ``step``, shape (batch_size, context + 1)."""
        ...


class _Loader:
    """Batches from ``start`` on, as Lightning wants them: the position is the step, nothing else is kept."""

    def __init__(self, batches: Batches, start: int, stop: int) -> None:
        self.batches, self.start, self.stop = batches, start, stop

    def __len__(self) -> int:
        return self.stop

    def __iter__(self) -> Iterator[Tensor]:
        for step in range(self.start, self.stop):
            yield torch.from_numpy(self.batches.batch(step))

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class Pretraining(pl.LightningModule):
    """Next-token prediction for :class:`~models.decoder.Decoder`."""

    def __init__(self, decoder: Decoder, config: TrainingConfig) -> None:
        super().__init__()
        self.decoder = decoder
        self.config = config

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        """Return the mean cross-entropy (nats/token) of a batch of shape (batch, context + 1)."""
        logits = self.decoder(batch[:, :-1])
        return F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedule, stepped every optimizer step."""
        optimizer = optimisers.configure(self.decoder, self.config)
        schedule = optimisers.schedule(optimizer, self.config)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where training stands: steps and tokens done, the last loss (nats/token), tokens a second lately."""

    step: int
    tokens: int
    loss: float
    tokens_per_second: float


OnCheckpoint = Callable[[int, Decoder, str, float], None]
OnProgress = Callable[[Progress], None]


class _Keeper(pl.Callback):
    """Keeps weights at the scheduled steps, hands them on, and saves the full state now and then."""

    def __init__(
        self, folder: Path, steps: tuple[int, ...], on_checkpoint: OnCheckpoint, on_progress: OnProgress,
        state_seconds: float,
    ) -> None:  # fmt: skip
        self.folder, self.steps, self.last = folder, frozenset(steps), steps[-1]
        self.on_checkpoint, self.on_progress, self.state_seconds = on_checkpoint, on_progress, state_seconds
        self.saved_at = self.told_at = time.monotonic()
        self.told_step = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.told_step = trainer.global_step
        self.clock = time.monotonic()
        if trainer.global_step == 0 and 0 in self.steps:
            self._keep(trainer, module, 0)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step, now = trainer.global_step, time.monotonic()
        keep = step in self.steps
        if now - self.told_at > 1.0 or keep:
            loss = float(outputs["loss"])
            if not np.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss} at step {step} (batch {step - 1} of the data order); the last good state is "
                    "kept: lower the learning rate or inspect that batch"
                )
            config: TrainingConfig = module.config  # type: ignore[assignment]
            rate = (step - self.told_step) * config.tokens_per_step / max(now - self.told_at, 1e-9)
            self.on_progress(
                Progress(step=step, tokens=step * config.tokens_per_step, loss=loss, tokens_per_second=rate)
            )
            self.told_at, self.told_step = now, step
        if keep:
            self._keep(trainer, module, step)

    def _keep(self, trainer: pl.Trainer, module: pl.LightningModule, step: int) -> None:
        decoder: Decoder = module.decoder  # type: ignore[assignment]
        seconds = time.monotonic() - self.clock
        digest = save_weights(decoder, self.folder / "weights" / f"step-{step:08d}.safetensors")
        decoder.eval()
        self.on_checkpoint(step, decoder, digest, seconds)
        decoder.train()
        if step == self.last or time.monotonic() - self.saved_at > self.state_seconds:
            save_state(trainer, self.folder / "states", step)
            self.saved_at = time.monotonic()
        self.told_at, self.told_step, self.clock = time.monotonic(), step, time.monotonic()


def train(
    decoder: Decoder,
    config: TrainingConfig,
    batches: Batches,
    checkpoint_steps: tuple[int, ...],
    folder: Path,
    on_checkpoint: OnCheckpoint,
    on_progress: OnProgress = lambda progress: None,
    state_seconds: float = 20.0,
    accelerator: str = "auto",
) -> None:
    """Train to the end, going on from the newest readable state in ``folder`` when there is one.

    The result does not depend on interruptions: batches follow from the step, so that on CPU a resumed run equals an
    uninterrupted one bit for bit.

    Parameters
    ----------
    decoder : Decoder
        With its initial weights.
    config : TrainingConfig
    batches : Batches
        Gives the batch of every step.
    checkpoint_steps : tuple of int
        Ascending steps at which weights are kept (step 0: the untrained model) and ``on_checkpoint(step, decoder,
        sha256, training_seconds_since_the_last)`` is called with the model in evaluation mode.
    folder : Path
        Holds ``weights/`` and ``states/``.
    on_progress : callable
        Called about once a second.
    state_seconds : float
        Seconds between full states (written at the next checkpoint).
    accelerator : str
        Lightning's word: ``auto``, ``cpu``, ``cuda``.

    Raises
    ------
    FloatingPointError
        When the loss is not finite; the last good state is kept.
    """
    torch.set_num_threads(config.threads)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    state, start = None, 0
    for path in newest_states(folder / "states"):
        loaded = load_state(path)
        if loaded is not None:
            state, start = path, loaded
            break
    module = Pretraining(decoder, config)
    keeper = _Keeper(folder, checkpoint_steps, on_checkpoint, on_progress, state_seconds)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="lightning.*")
        trainer = pl.Trainer(
            max_steps=config.steps, max_epochs=1, accelerator=accelerator, devices=1, precision=config.precision,  # type: ignore[arg-type]
            gradient_clip_val=config.gradient_clip or None, callbacks=[keeper], logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            use_distributed_sampler=False, default_root_dir=folder,
        )  # fmt: skip
        trainer.fit(
            module, _Loader(batches, start, config.steps), ckpt_path=state, weights_only=True if state else None
        )
    if trainer.global_step < config.steps:
        raise RuntimeError(f"training stopped at step {trainer.global_step} of {config.steps}")

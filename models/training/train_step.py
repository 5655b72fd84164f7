"""One optimizer step: gradients over micro-batches, clipping, the update."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.distributed.tensor import DTensor

from calque.models.checkpoints.state import Position
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.loss import Objective
from calque.models.training import optimizer as optimisers
from calque.models.training.checkpointer import give_back_memory
from calque.models.training.compiling import checkpoint_activations, compile_step, should_compile
from calque.models.training.loss_tokens import LossTokens
from calque.models.training.monitoring.loss_monitor import LossMonitor
from calque.models.training.monitoring.spikes import SpikeWatch
from calque.models.training.observer import StepObserver
from calque.models.training.precision import compute_as
from calque.models.training.rows import halved, record_in, rows_that_fit

LOG = logging.getLogger("calque")


class TrainStep:
    """Takes optimizer steps: gradients over micro-batches, clipping, the update. It does not wait for the device.

    Parameters
    ----------
    fabric : Fabric
    decoder : Decoder
        Is compiled, sharded and moved to its device here.
    config : TrainingConfig
    folder : path, optional
        The run's, where it is recorded when the first step needs smaller micro-batches.
    loss_tokens : LossTokens, optional
        Chooses and counts the tokens that carry loss.
    begins : sequence of int
        Tokens that begin documents, needed where ``attention`` is ``document``.
    observer : StepObserver, optional
        Sees every step that is taken.
    """

    def __init__(
        self, fabric: Fabric, decoder: Decoder, config: TrainingConfig, folder: str | os.PathLike[str] | None = None,
        loss_tokens: LossTokens | None = None, begins: Sequence[int] = (), observer: StepObserver | None = None,
    ) -> None:  # fmt: skip
        self.fabric, self.decoder, self.config, self.begins = fabric, decoder, config, tuple(begins)
        self.loss_tokens = loss_tokens or LossTokens(config)
        self.fewer = (lambda rows: None) if folder is None else record_in(folder, config.devices)
        self.fits = False
        compute_as(config, decoder, fabric.device)
        within = config.attention == "document"
        assert begins or not within, "documents are told apart by the tokens that begin them"
        objective = Objective(decoder, config.z_loss, begins if within else ())
        self.compiled = should_compile(config, objective, fabric.device)
        self.micro_batch_size = rows_that_fit(decoder.config, config, fabric.device, folder)
        checkpoint_activations(objective, config.activation_checkpointing)
        decoder.positions(0, config.context)
        if self.compiled:
            compile_step(objective, alone=config.devices == 1)
        self.module = fabric.setup_module(objective)
        self.module.train()
        decoder.positions(0, config.context)  # on its device, before the compiler looks
        self.parameters = list(decoder.parameters())
        self.optimizer = optimisers.configure(decoder, config)
        self.schedule = optimisers.schedule(self.optimizer, config)
        self.skipped = 0
        self.spikes = SpikeWatch(config.skip_spikes, config.spike_history)
        self.observer = observer
        if observer is not None:
            observer.begin(self)

    def __call__(self, step: int, batch: Tensor, monitor: LossMonitor) -> None:
        """Take optimizer step ``step`` (from 0) with this rank's rows ``batch``, shape (rows, context + 1).

        Loss and gradient norm go to ``monitor``, unread.
        """
        targets, scale = self.loss_tokens.choose(batch)
        loss = self._gradients(batch, targets, scale)
        if self.config.devices > 1:
            torch.distributed.all_reduce(loss, torch.distributed.ReduceOp.SUM)
            loss /= self.config.devices
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.gradient_clip or float("inf"))
        # the learning rate is a function of the step: resuming needs no state of the schedule
        schedule = self.schedule
        base_rate = self.config.learning_rate * schedule.lr_lambdas[0](step)
        monitor.add(step + 1, loss, norm.full_tensor() if isinstance(norm, DTensor) else norm, base_rate)
        for group, rate, factor in zip(
            self.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True
        ):
            group["lr"] = rate * factor(step)
        if self._is_left_out(step, monitor):
            monitor.skip_newest()
        elif self.observer is None:
            self.optimizer.step()
        else:
            self.observer.before_update(step, batch, targets, scale, self._factor(norm))
            self.optimizer.step()
            self.observer.after_update(step)
        self.optimizer.zero_grad(set_to_none=True)

    def _factor(self, norm: Tensor) -> Tensor | float:
        """Return the factor of ``clip_grad_norm_``."""
        limit = self.config.gradient_clip
        return (limit / (norm + 1e-6)).clamp(max=1.0) if limit else 1.0

    def _is_left_out(self, step: int, monitor: LossMonitor) -> bool:
        """Return whether the weights stay as they are; all processes, which have the same values, return the same."""
        if self.skipped >= self.config.skip_nonfinite and not self.config.skip_spikes:
            return False  # and the device is not waited for
        loss, norm = monitor.newest()
        if not math.isfinite(loss) or not math.isfinite(norm):
            left_out = self.skipped < self.config.skip_nonfinite
            self.skipped += left_out
            return left_out
        if not self.spikes.is_spike(loss, norm):
            return False
        if self.fabric.global_rank == 0:
            LOG.warning(
                "step %d is skipped: loss %.4g and gradient norm %.4g lie far above those of the steps before",
                step + 1, loss, norm,
            )  # fmt: skip
        return True

    def position(self, step: int) -> Position:
        """Return where training stands after ``step`` steps, for a training state."""
        return Position(
            step=step, skipped=self.skipped, loss_tokens=self.loss_tokens.so_far(step),
            recent=torch.from_numpy(self.spikes.history()),
            observed={} if self.observer is None else self.observer.state(),
        )  # fmt: skip

    def go_on_from(self, position: Position) -> None:
        """Go on from the ``position`` of a training state."""
        self.skipped = position.skipped
        self.loss_tokens.go_on_from(position.loss_tokens)
        self.spikes.go_on_from(position.recent.numpy())
        if self.observer is not None:
            self.observer.go_on_from(position.observed)

    def _gradients(self, batch: Tensor, targets: Tensor | None, scale: Tensor | float) -> Tensor:
        """Add up the gradients of ``batch`` and return its loss; the first time, in parts that memory allows."""
        while True:
            try:
                loss = self._accumulated(batch, targets, scale)
            except torch.OutOfMemoryError:
                if self.fits or self.micro_batch_size == 1:
                    raise
                self.micro_batch_size = halved(self.micro_batch_size)
                self.fewer(self.micro_batch_size)
            else:
                self.fits = True
                return loss
            self.optimizer.zero_grad(set_to_none=True)  # here, where the error no longer holds the tensors of its step
            give_back_memory(self.fabric.device)

    def _accumulated(self, batch: Tensor, targets: Tensor | None, scale: Tensor | float) -> Tensor:
        parts = torch.split(batch, self.micro_batch_size)
        wanted = [None] * len(parts) if targets is None else torch.split(targets, self.micro_batch_size)
        losses: list[Tensor] = []
        for i, part in enumerate(parts):
            waiting = self.config.devices > 1 and i + 1 < len(parts)
            with self.fabric.no_backward_sync(self.module) if waiting else nullcontext():
                # scaled here: the module would get the scale rounded to the type of computation
                goal, crossed = (mean * scale for mean in self.module(part, wanted[i]))
                self.fabric.backward(goal / len(parts) if len(parts) > 1 else goal)
            losses.append(crossed)
        return torch.stack(losses).mean() if len(losses) > 1 else losses[0]

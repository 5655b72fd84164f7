"""The training loop: optimizer steps, checkpoints, and exact resumption."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.distributed.tensor import DTensor

from calque.models.checkpoints.state import State, load_state, newest_valid_state, state_of
from calque.models.checkpoints.writer import BackgroundWriter
from calque.models.config.memory import sequences_at_once
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.loss import Objective
from calque.models.training import optimizer as optimisers
from calque.models.training.checkpointer import Checkpointer, OnCheckpoint
from calque.models.training.compiling import checkpoint_activations, compile_step, should_compile
from calque.models.training.loader import Batches, Loader
from calque.models.training.loss_monitor import LossMonitor
from calque.models.training.strategy import fabric_for


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Progress of training: steps and tokens done, the last loss (nats/token), the latest tokens per second."""

    step: int
    tokens: int
    loss: float
    tokens_per_second: float


OnProgress = Callable[[Progress], None]
Further = Callable[[int], tuple[int, ...]]
"""Called after the checkpoint of a planned step: returns the steps of adaptive checkpoints before the next one."""
STOP_POLL_STEPS = 8
"""Steps after which several processes tell each other whether one is to stop: it waits for the device."""


class StoppedError(Exception):
    """Training was stopped from outside; its full state is on disk."""


class TrainStep:
    """Takes optimizer steps: gradients over micro-batches, clipping, the update. It does not wait for the device.

    Parameters
    ----------
    fabric : Fabric
    decoder : Decoder
        Is compiled, sharded and moved to its device here.
    config : TrainingConfig
    """

    def __init__(self, fabric: Fabric, decoder: Decoder, config: TrainingConfig) -> None:
        self.fabric, self.decoder, self.config = fabric, decoder, config
        objective = Objective(decoder, config.z_loss)
        self.compiled = should_compile(config, objective, fabric.device)
        self.micro_batch_size = _fitting(fabric.device, decoder, config)
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

    def __call__(self, step: int, batch: Tensor, monitor: LossMonitor) -> None:
        """Take optimizer step ``step`` (from 0) with this rank's rows ``batch``, shape (rows, context + 1).

        Loss and gradient norm go to ``monitor``, unread.
        """
        parts = torch.split(batch, self.micro_batch_size)
        losses: list[Tensor] = []
        for i, part in enumerate(parts):
            waiting = self.config.devices > 1 and i + 1 < len(parts)
            with self.fabric.no_backward_sync(self.module) if waiting else nullcontext():
                goal, crossed = self.module(part)
                self.fabric.backward(goal / len(parts) if len(parts) > 1 else goal)
            losses.append(crossed)
        loss = torch.stack(losses).mean() if len(losses) > 1 else losses[0]
        if self.config.devices > 1:
            torch.distributed.all_reduce(loss, torch.distributed.ReduceOp.SUM)
            loss /= self.config.devices
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.gradient_clip or float("inf"))
        monitor.add(step + 1, loss, norm.full_tensor() if isinstance(norm, DTensor) else norm)
        # the learning rate is a function of the step: resuming needs no state of the schedule
        schedule = self.schedule
        for group, rate, factor in zip(
            self.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True
        ):
            group["lr"] = rate * factor(step)
        if self.skipped < self.config.skip_nonfinite and not monitor.newest_is_finite():
            self.skipped += 1
            monitor.forget_newest()
        else:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def train(
    decoder: Decoder,
    config: TrainingConfig,
    batches: Batches,
    checkpoint_steps: tuple[int, ...],
    folder: str | os.PathLike[str],
    on_checkpoint: OnCheckpoint,
    on_progress: OnProgress = lambda progress: None,
    state_seconds: float = 20.0,
    accelerator: str = "auto",
    stop: Callable[[], bool] = lambda: False,
    further: Further | None = None,
) -> None:
    """Train to the end, resuming from the newest valid state in ``folder`` when there is one.

    The result does not depend on interruptions: batches follow from the step, so that on a CPU a resumed run equals an
    uninterrupted one bit for bit. With ``config.devices`` above 1 every process calls this
    (``calque.models.training.workers``); rank 0 alone writes weights and calls back.

    Parameters
    ----------
    decoder : Decoder
        With its initial weights, the same in every process.
    config : TrainingConfig
    batches : Batches
        Gives the whole batch of every step.
    checkpoint_steps : tuple of int
        Planned checkpoints, ascending (step 0: the untrained model).
    folder : path
        The run's; gets ``weights/`` and ``states/``.
    on_checkpoint : callable
        ``on_checkpoint(step, decoder, sha256, seconds)`` is called at every checkpoint, with the model in evaluation
        mode. ``sha256`` is a future of the SHA-256 of the weights, which are written meanwhile; ``seconds`` of training
        have passed since the last checkpoint.
    on_progress : callable
        Called about once a second with :class:`Progress`.
    state_seconds : float
        Least seconds between full states, which are saved at checkpoints; more when saving takes long. 0 saves one at
        every checkpoint.
    accelerator : str
        As of Lightning: ``auto``, ``cpu``, ``cuda``.
    stop : callable
        Called after every step (with several processes after every eighth); returns whether to stop.
    further : callable, optional
        Called on rank 0 with a planned step, once its checkpoint is saved, and with the last planned step when training
        resumes. Returns the steps of adaptive checkpoints before the next planned one. All processes have it or none.

    Raises
    ------
    FloatingPointError
        When the loss or gradient is not finite; the last state that was saved remains.
    StoppedError
        When ``stop`` returned True with steps left; a full state of this step is on disk.
    UserError
        When the number of processes is not that of the configuration, or a state is of another model.
    """
    folder = Path(folder)
    torch.set_num_threads(config.threads)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="lightning.*")
        fabric = fabric_for(config, accelerator)
    with BackgroundWriter() as writer:
        checkpointer = Checkpointer(
            fabric, decoder, config, folder, checkpoint_steps, on_checkpoint, state_seconds, writer
        )
        train_step = TrainStep(fabric, decoder, config)
        checkpointer.compiled = train_step.compiled
        path = newest_valid_state(folder / "states") if fabric.global_rank == 0 else None
        path = fabric.broadcast(path) if config.devices > 1 else path
        start = 0
        if path is not None:
            start, train_step.skipped = load_state(path, train_step.decoder, train_step.optimizer)
        _run(fabric, train_step, checkpointer, Loader(
            batches, start, config.steps, fabric.device, fabric.global_rank, config.devices
        ), on_progress, stop, further)  # fmt: skip


def _run(
    fabric: Fabric, train_step: TrainStep, checkpointer: Checkpointer, loader: Loader, on_progress: OnProgress,
    stop: Callable[[], bool], further: Further | None,
) -> None:  # fmt: skip
    config, monitor, first = train_step.config, LossMonitor(), fabric.global_rank == 0
    step = reported_step = loader.start
    reported_at = time.monotonic()

    def state() -> State:
        return state_of(train_step.decoder, train_step.optimizer, step, train_step.skipped)

    if step == 0 and 0 in checkpointer.steps:
        checkpointer.save(step, state)
    extra = _extra(fabric, further, checkpointer.steps, step, config.devices)
    for batch in loader:
        train_step(step, batch, monitor)
        step += 1
        kept, now = step in checkpointer.steps or step in extra, time.monotonic()
        if kept or (first and now - reported_at > 1.0):
            loss = monitor.read()
            if first:
                tokens = config.tokens_per_step
                rate = (step - reported_step) * tokens / max(now - reported_at, 1e-9)
                on_progress(Progress(step=step, tokens=step * tokens, loss=loss, tokens_per_second=rate))
            if kept:
                checkpointer.save(step, state)
            if step in checkpointer.steps:
                extra = _extra(fabric, further, checkpointer.steps, step, config.devices)
            reported_at, reported_step = time.monotonic(), step
        if step < config.steps and _to_stop(fabric, stop, step, config.devices):
            monitor.read()  # a loss that is not finite is raised first
            checkpointer.save_training_state(state)
            checkpointer.writer.submit(lambda: None).result()  # waits for the jobs before it
            raise StoppedError(f"stopped at step {step} of {config.steps}")


def _extra(
    fabric: Fabric, further: Further | None, planned: tuple[int, ...], step: int, processes: int
) -> tuple[int, ...]:
    """Return the steps of adaptive checkpoints between the planned ones around ``step``; rank 0 broadcasts them."""
    before = [kept for kept in planned if kept <= step]
    if further is None or not before:
        return ()
    steps = further(before[-1]) if fabric.global_rank == 0 else ()
    return tuple(fabric.broadcast(steps)) if processes > 1 else steps


def _to_stop(fabric: Fabric, stop: Callable[[], bool], step: int, processes: int) -> bool:
    """Return whether any process is to stop; all processes return the same."""
    if processes == 1:
        return stop()
    if step % STOP_POLL_STEPS:
        return False
    stopping = torch.tensor(float(stop()), device=fabric.device)
    torch.distributed.all_reduce(stopping, torch.distributed.ReduceOp.MAX)
    return bool(stopping)


def _fitting(device: torch.device, decoder: Decoder, config: TrainingConfig) -> int:
    capacity = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None
    return sequences_at_once(decoder.config, config, capacity)

"""The training loop: optimizer steps, checkpoints, and exact resumption."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric

from calque.models.checkpoints.digests import verify
from calque.models.checkpoints.state import State, load_state, newest_valid_state, state_of
from calque.models.checkpoints.writer import BackgroundWriter
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.checkpointer import Along, Checkpointer, OnCheckpoint
from calque.models.training.initial_weights import draw_initial_weights
from calque.models.training.loader import Batches, Loader
from calque.models.training.loss_tokens import LossTokens
from calque.models.training.monitoring.loss_monitor import LossMonitor
from calque.models.training.monitoring.profiling import StepProfiler
from calque.models.training.monitoring.step_log import StepLog
from calque.models.training.observer import StepObserver
from calque.models.training.strategy import fabric_for
from calque.models.training.train_step import TrainStep

LOG = logging.getLogger("calque")


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
    along: Along | None = None,
    loss_tokens: LossTokens | None = None,
    step_log: StepLog | None = None,
    keep_states: Collection[int] = (),
    begin_from: str | os.PathLike[str] | None = None,
    begins: Sequence[int] = (),
    init_seed: int | None = None,
    observer: StepObserver | None = None,
) -> None:
    """Train to the end, resuming from the newest valid state in ``folder`` when there is one.

    The result does not depend on interruptions: batches follow from the step, so that on a CPU a resumed run equals an
    uninterrupted one bit for bit. With ``config.devices`` above 1 every process calls this
    (``calque.models.training.workers``); rank 0 alone writes weights and calls back.

    Parameters
    ----------
    decoder : Decoder
        With its initial weights, the same in every process; or, with ``init_seed``, without.
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
    along : callable, optional
        ``along(step, decoder)`` is called on every other rank while rank 0 is in ``on_checkpoint``, with a model of
        the same weights, in evaluation mode: to score a share. All other ranks have it or none.
    loss_tokens : LossTokens, optional
        Chooses and counts the tokens that carry loss; at a checkpoint it tells their number so far.
    step_log : StepLog, optional
        Of rank 0: gets every step.
    keep_states : collection of int
        Planned steps whose full states are saved, and stay.
    begin_from : path, optional
        The full state of another run from which this one begins; by default it begins with its initial weights.
    begins : sequence of int
        Tokens that begin documents, needed where ``attention`` is ``document``.
    init_seed : int, optional
        Of the initial weights, where ``decoder`` was made without: they are drawn once it is sharded, and not at all
        where training resumes.
    observer : StepObserver, optional
        Sees every step that is taken; its tensors are kept in the states.

    Raises
    ------
    FloatingPointError
        When the loss or gradient is not finite; the last state that was saved remains.
    StoppedError
        When ``stop`` returned True with steps left; a full state of this step is on disk.
    UserError
        When the number of processes is not that of the configuration, or a state is of another model, or damaged.
    FewerRowsError
        When a process of several ran out of memory in its first step: start all again.
    """
    folder = Path(folder)
    torch.set_num_threads(config.threads)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="lightning.*")
        fabric = fabric_for(config, accelerator)
    if config.precision == "bf16-true" and fabric.global_rank == 0:
        LOG.warning(
            "precision 'bf16-true' keeps weights and the optimizer's moments in bfloat16: updates below 1/256 of a "
            "weight are lost; 'bf16-mixed' keeps them in float32"
        )
    with BackgroundWriter() as writer:
        checkpointer = Checkpointer(
            fabric, decoder, config, folder, checkpoint_steps, on_checkpoint, state_seconds, writer, along, keep_states
        )
        train_step = TrainStep(fabric, decoder, config, folder, loss_tokens, begins, observer)
        checkpointer.compiled = train_step.compiled
        path = _beginning(folder, begin_from) if fabric.global_rank == 0 else None
        path = fabric.broadcast(path) if config.devices > 1 else path
        start = 0
        if path is not None:
            position = load_state(path, train_step.decoder, train_step.optimizer)
            start = position.step
            train_step.go_on_from(position)
        elif init_seed is not None:
            draw_initial_weights(train_step.decoder, init_seed)
        if step_log is not None:
            on_gpu = fabric.device.type == "cuda"
            step_log.begin(start, torch.cuda.get_device_name(fabric.device) if on_gpu else None)
        monitor = LossMonitor(step_log, fabric.device)
        profiler = StepProfiler(folder, config.profile, fabric.device, fabric.global_rank)
        _run(fabric, train_step, checkpointer, Loader(
            batches, start, config.steps, fabric.device, fabric.global_rank, config.devices
        ), monitor, profiler, on_progress, stop, further)  # fmt: skip


def _beginning(folder: Path, begin_from: str | os.PathLike[str] | None) -> Path | None:
    """Return the state to go on from: the run's newest, or ``begin_from``; None where it begins with its weights."""
    path = newest_valid_state(folder / "states")
    if path is None and begin_from is not None:
        path = Path(begin_from)
        verify(path)
    return path


def _run(
    fabric: Fabric, train_step: TrainStep, checkpointer: Checkpointer, loader: Loader, monitor: LossMonitor,
    profiler: StepProfiler, on_progress: OnProgress, stop: Callable[[], bool], further: Further | None,
) -> None:  # fmt: skip
    config, first = train_step.config, fabric.global_rank == 0
    step = reported_step = loader.start
    reported_at = time.monotonic()

    def state() -> State:
        return state_of(train_step.decoder, train_step.optimizer, train_step.position(step))

    if step == 0 and 0 in checkpointer.steps:
        checkpointer.save(step, state)
    extra = _extra(fabric, further, checkpointer.steps, step, config.devices)
    monitor.restart_clock()
    for batch in loader:
        profiler.begin_step(step + 1)
        train_step(step, batch, monitor)
        step += 1
        profiler.end_step(step)
        kept, now = step in checkpointer.steps or step in extra, time.monotonic()
        if kept or (first and now - reported_at > 1.0):
            loss = monitor.read(sync=kept)
            if first:
                tokens = config.tokens_per_step
                rate = (step - reported_step) * tokens / max(now - reported_at, 1e-9)
                on_progress(Progress(step=step, tokens=step * tokens, loss=loss, tokens_per_second=rate))
            if kept:
                if train_step.observer is not None:
                    train_step.observer.at_checkpoint()
                checkpointer.save(step, state)
            if step in checkpointer.steps:
                extra = _extra(fabric, further, checkpointer.steps, step, config.devices)
            if kept:
                monitor.restart_clock()
            reported_at, reported_step = time.monotonic(), step
        if step < config.steps and _to_stop(fabric, stop, step, config.devices):
            monitor.read(sync=True)  # a loss that is not finite is raised first
            checkpointer.save_training_state(state)
            checkpointer.writer.submit(lambda: None).result()  # waits for the jobs before it
            profiler.end(step)
            raise StoppedError(f"stopped at step {step} of {config.steps}")
    profiler.end(step)


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

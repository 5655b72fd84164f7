"""Full training states: everything that resuming needs, as safetensors with their SHA-256; nothing is pickled.

A state is a flat set of tensors: ``model.NAME``, ``optimizer.NAME.KEY``, ``step``, ``skipped``, ``loss_tokens``, and
``recent`` where spikes are skipped.
Where one process holds everything it is one file; sharded over several it is a folder that
``torch.distributed.checkpoint`` wrote, one file for each process. Any number of processes can read either. Learning
rates and batches follow from the step.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load as load_shards
from torch.distributed.checkpoint.state_dict_saver import save as save_shards
from torch.distributed.tensor import DTensor, distribute_tensor

from calque.data.errors import UserError
from calque.data.files import make_folder, replacing, sync_folder
from calque.models.checkpoints import digests

KEPT_STATES = 2
LOG = logging.getLogger("calque")
State = dict[str, Tensor]
OBSERVED = "observed."
_NONE_RECENT = torch.zeros(0, 2, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where training stands.

    Attributes
    ----------
    step : int
        Optimizer steps taken.
    skipped : int
        Steps left out so far because a value was not finite.
    loss_tokens : int
        Tokens that carried loss so far.
    recent : tensor, shape (steps, 2), float64
        Losses and gradient norms by which the next step is judged (``calque.models.training.monitoring.spikes``).
    observed : dict of str to tensor
        What an observer of the steps goes on with (``calque.models.training.observer``).
    """

    step: int
    skipped: int = 0
    loss_tokens: int = 0
    recent: Tensor = _NONE_RECENT
    observed: State = field(default_factory=dict)


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer, position: Position) -> State:
    """Return the tensors of a training state, not copied.

    Parameters
    ----------
    model : torch.nn.Module
    optimizer : torch.optim.Optimizer
    position : Position
    """
    counts = {"step": position.step, "skipped": position.skipped, "loss_tokens": position.loss_tokens}
    state: State = {name: torch.tensor(count) for name, count in counts.items()}
    if len(position.recent):
        state["recent"] = position.recent
    state |= {f"{OBSERVED}{name}": tensor for name, tensor in position.observed.items()}
    for name, parameter in model.named_parameters():
        state[f"model.{name}"] = parameter.detach()
        for key, value in optimizer.state.get(parameter, {}).items():
            state[f"optimizer.{name}.{key}"] = value
    return state


def save_state(state: State, folder: str | os.PathLike[str], keep: Collection[int] = ()) -> None:
    """Write ``state``, which is in main memory, as ``folder/step-N.ckpt``.

    The two newest states are kept, and those of the steps ``keep``.
    """
    folder = Path(folder)
    path = _path(folder, state)
    with replacing(path) as temporary:
        save_file(state, temporary)
        digest = digests.digest_of(temporary)
    digests.write_digests(path, {path.name: digest})
    _drop_others(path, keep)


def save_sharded_state(
    state: State, folder: str | os.PathLike[str], keep: Collection[int] = (), group: dist.ProcessGroup | None = None
) -> None:
    """Write ``state``, whose tensors are sharded over all processes, to ``folder``; every process calls this.

    States are kept as by :func:`save_state`, which has ``keep``. The processes agree through ``group``, by default all
    of them; a thread beside training needs one of its own, for main memory (gloo), and a ``state`` that is a copy.
    """
    folder = Path(folder)
    path = _path(folder, state)
    partial = path.with_name(f".{path.name}.partial")
    first = dist.get_rank() == 0
    if first:
        shutil.rmtree(partial, ignore_errors=True)
        make_folder(partial)
    dist.barrier(group)
    writer = HuggingFaceStorageWriter(str(partial), save_distributed=True)
    save_shards(state, storage_writer=writer, process_group=group)
    mine = {f"{path.name}/{p.name}": digests.digest_of(p) for p in partial.glob(f"shard-{dist.get_rank() + 1:05d}-*")}
    everyone: list[dict[str, str]] = [{}] * dist.get_world_size()
    dist.all_gather_object(everyone, mine, group)
    if first:
        digests.remove(path)
        partial.rename(path)
        sync_folder(folder)
        digests.write_digests(path, {name: digest for part in everyone for name, digest in part.items()})
        _drop_others(path, keep)
    dist.barrier(group)


def newest_states(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the states saved in ``folder``, newest first."""
    folder = Path(folder)
    return sorted(folder.glob("step-*.ckpt"), reverse=True)


def drop_states_from(folder: str | os.PathLike[str], step: int) -> list[int]:
    """Remove the states of ``step`` and of later steps; return their steps, newest first.

    Parameters
    ----------
    folder : path
        The run's ``states``.
    step : int
        Optimizer steps taken.
    """
    found = [(int(path.stem.removeprefix("step-")), path) for path in newest_states(folder)]
    late = [(at, path) for at, path in found if at >= step]
    for _, path in late:
        digests.remove(path)
    return [at for at, _ in late]


def newest_valid_state(folder: str | os.PathLike[str]) -> Path | None:
    """Return the newest state in ``folder`` whose SHA-256 is right, or None; the log names those that are not."""
    folder = Path(folder)
    for path in newest_states(folder):
        try:
            digests.verify(path)
        except UserError as error:
            LOG.warning("%s; resuming from the state before it, or from the start where there is none", error)
        else:
            return path
    return None


def load_state(path: str | os.PathLike[str], model: nn.Module, optimizer: torch.optim.Optimizer) -> Position:
    """Load a state into a model, whatever its sharding, and into its optimizer.

    Parameters
    ----------
    path : path
        A file or folder that :func:`save_state` or :func:`save_sharded_state` wrote.
    model : torch.nn.Module
    optimizer : torch.optim.Optimizer

    Returns
    -------
    Position
        Where training stood.

    Raises
    ------
    UserError
        When the state is of another model.
    """
    path = Path(path)
    named = dict(model.named_parameters())
    wanted = {f"model.{name}" for name in named}
    try:
        state = _read_sharded(path, named) if path.is_dir() else _read_whole(path, named)
        if {key for key in state if key.startswith("model.")} != wanted:
            raise ValueError("its tensors are not this model's")
        for name, parameter in named.items():
            if state[f"model.{name}"].shape != parameter.shape:
                raise ValueError(f"{name} has shape {tuple(state[f'model.{name}'].shape)}")
    except (ValueError, RuntimeError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} does not fit this model ({reason}); choose another results folder") from error
    optimizer.state.clear()
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(state[f"model.{name}"])
            prefix = f"optimizer.{name}."
            kept = {k.removeprefix(prefix): v.to(parameter.device) for k, v in state.items() if k.startswith(prefix)}
            if kept:
                optimizer.state[parameter] = kept
    step, skipped, loss_tokens = (int(state[name]) for name in ("step", "skipped", "loss_tokens"))
    observed = {k.removeprefix(OBSERVED): v for k, v in state.items() if k.startswith(OBSERVED)}
    return Position(
        step=step, skipped=skipped, loss_tokens=loss_tokens, recent=state.get("recent", _NONE_RECENT), observed=observed
    )


def _read_whole(path: Path, named: dict[str, nn.Parameter]) -> State:
    state: State = load_file(path)
    for key, tensor in state.items():
        parameter = _parameter(key, named)
        if isinstance(parameter, DTensor) and tensor.shape == parameter.shape:
            whole = tensor.to(parameter.device)
            state[key] = distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None)
    return state


def _read_sharded(path: Path, named: dict[str, nn.Parameter]) -> State:
    known: dict[str, Any] = HuggingFaceStorageReader(str(path)).read_metadata().state_dict_metadata
    state: State = {}
    for key, kept in known.items():
        parameter = _parameter(key, named)
        if isinstance(parameter, DTensor) and kept.size == parameter.shape:
            state[key] = torch.zeros_like(parameter, dtype=kept.properties.dtype, requires_grad=False)
        else:
            state[key] = torch.zeros(kept.size, dtype=kept.properties.dtype)
    alone = not dist.is_initialized()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        load_shards(state, storage_reader=HuggingFaceStorageReader(str(path)), no_dist=alone)
    return state


def _parameter(key: str, named: dict[str, nn.Parameter]) -> nn.Parameter | None:
    kind, _, name = key.partition(".")
    return named.get(name if kind == "model" else name.rpartition(".")[0])


def state_path(folder: str | os.PathLike[str], step: int) -> Path:
    """Return where the state of ``step`` stands in ``folder``, the run's ``states``."""
    return Path(folder) / f"step-{step:08d}.ckpt"


def _path(folder: Path, state: State) -> Path:
    return state_path(folder, int(state["step"]))


def _drop_others(newest: Path, keep: Collection[int]) -> None:
    """Keep the state just written, the one before and those of ``keep``; a later one was not resumed from."""
    kept = {state_path(newest.parent, step) for step in keep}
    before = [path for path in newest_states(newest.parent) if path.name < newest.name]
    for path in newest_states(newest.parent):
        if path != newest and path not in before[: KEPT_STATES - 1] and (path not in kept or path.name > newest.name):
            digests.remove(path)

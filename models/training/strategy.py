"""The distributed strategy of a training configuration as a Lightning Fabric; rank and world size."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from functools import partial
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.models.config.training import TrainingConfig
from calque.models.decoder.loss import Objective
from calque.models.training.precision import computed_in

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others, rank 0 scoring included; when one dies, all end much sooner."""
ALLOCATOR = {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"}
"""Variables in which a user sets torch's allocator. By default its blocks can grow: scoring needs other sizes."""


def fabric_for(config: TrainingConfig, accelerator: str = "auto") -> Fabric:
    """Return Fabric for this process, one of ``config.devices``, started and connected.

    Several devices need as many processes, started by ``calque.models.training.workers.launch`` or ``torchrun``.

    Parameters
    ----------
    config : TrainingConfig
    accelerator : str
        As of Lightning: ``auto``, ``cpu``, ``cuda``.

    Raises
    ------
    UserError
        When there are more or fewer processes than devices.
    """
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    world = world_size()
    if world != config.devices:
        raise UserError(
            f"training.devices is {config.devices}, but {plural(world, 'process was', 'processes were')} started; "
            f"start one for each device: torchrun --nproc-per-node {config.devices} (sweeps trial does so by itself)"
        )
    if ALLOCATOR.isdisjoint(os.environ):  # before the device is used
        os.environ["PYTORCH_ALLOC_CONF"] = "expandable_segments:True"
    precision: Any = (
        "bf16-true" if config.precision == "bf16-true" else "32-true"
    )  # else the decoder casts, not autocast
    if config.devices == 1:
        return Fabric(accelerator=accelerator, devices=1, precision=precision, plugins=[LightningEnvironment()])
    local = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    strategy: DDPStrategy | ModelParallelStrategy
    if config.strategy == "ddp":
        strategy = DDPStrategy(timeout=PATIENCE, gradient_as_bucket_view=True)
    else:
        strategy = ModelParallelStrategy(
            partial(_shard, kind=computed_in(config)), data_parallel_size=world, tensor_parallel_size=1,
            timeout=PATIENCE,
        )  # fmt: skip
    fabric = Fabric(
        accelerator=accelerator, devices=local, num_nodes=world // local, strategy=strategy, precision=precision,
        plugins=[TorchElasticEnvironment()],
    )  # fmt: skip
    fabric.launch()
    return fabric


def world_size() -> int:
    """Return the number of processes of this run: 1 unless ``torchrun`` or ``workers.launch`` started them."""
    return int(os.environ["WORLD_SIZE"]) if TorchElasticEnvironment.detect() else 1


def rank() -> int:
    """Return the rank of this process among them, from 0."""
    return int(os.environ["RANK"]) if TorchElasticEnvironment.detect() else 0


def _shard(objective: Objective, mesh: DeviceMesh, kind: torch.dtype | None) -> Objective:
    """Shard every block, and the rest as one more, over the data-parallel devices (FSDP2).

    Blocks are gathered in the type of computation: it halves what is sent, and the decoder rounds them to it anyway.
    Embedding and head are gathered as they are, so that their gradients are sums in float32. Gradients are added up
    over devices and micro-batches in float32. Inputs are not cast: the decoder decides what is float32.
    """
    over = mesh["data_parallel"]
    of_blocks = MixedPrecisionPolicy(param_dtype=kind, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for block in objective.decoder.blocks:
        fully_shard(block, mesh=over, mp_policy=of_blocks)
    of_rest = MixedPrecisionPolicy(reduce_dtype=torch.float32, cast_forward_inputs=False)
    fully_shard(objective, mesh=over, mp_policy=of_rest)
    return objective

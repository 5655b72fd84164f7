"""The distributed strategy of a training configuration as a Lightning Fabric; rank and world size."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from functools import partial

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from calque.data.errors import UserError
from calque.models.config.training import TrainingConfig
from calque.models.decoder.loss import Objective

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others, rank 0 scoring included; when one dies, all end much sooner."""


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
            f"training.devices is {config.devices}, but {world} processes were started; start one for each device: "
            f"torchrun --nproc-per-node {config.devices} (sweeps trial does so by itself)"
        )
    if config.devices == 1:
        return Fabric(
            accelerator=accelerator, devices=1, precision=config.precision, plugins=[LightningEnvironment()]  # type: ignore[arg-type]
        )  # fmt: skip
    local = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    strategy: DDPStrategy | ModelParallelStrategy
    precision = config.precision
    if config.strategy == "ddp":
        strategy = DDPStrategy(timeout=PATIENCE, gradient_as_bucket_view=True)
    else:
        cast = MixedPrecisionPolicy()
        if precision == "bf16-mixed":  # shards stay in float32, what is gathered is cast: autocast would gather float32
            cast = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
            precision = "32-true"
        strategy = ModelParallelStrategy(
            partial(_shard, cast=cast), data_parallel_size=world, tensor_parallel_size=1, timeout=PATIENCE
        )
    fabric = Fabric(
        accelerator=accelerator, devices=local, num_nodes=world // local, strategy=strategy, precision=precision,  # type: ignore[arg-type]
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


def _shard(objective: Objective, mesh: DeviceMesh, cast: MixedPrecisionPolicy) -> Objective:
    """Shard every block, and the rest as one more, over the data-parallel devices (FSDP2)."""
    over = mesh["data_parallel"]
    for block in objective.decoder.blocks:
        fully_shard(block, mesh=over, mp_policy=cast)
    fully_shard(objective, mesh=over, mp_policy=cast)
    return objective

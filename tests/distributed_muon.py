"""One of several processes that step Muon on sharded matrices, for its tests."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.utils._python_dispatch import TorchDispatchMode

from calque.models.training.muon import MuonAdamW

SHAPES = ((8, 6), (5, 12), (1, 4), (7, 7), (6, 3))
"""Rows that do not split evenly, and a matrix of one row, of which one process has nothing."""
STEPS = 4
PRODUCTS_A_MATRIX = 15
"""Three a step of the Newton-Schulz iteration, which takes five."""


class Counter(TorchDispatchMode):
    """Counts matrix products of plain tensors."""

    products = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.products += func.overloadpacket.__name__ in ("mm", "addmm")
        return func(*args, **(kwargs or {}))


def gradient(step: int, i: int) -> Tensor:
    return torch.randn(SHAPES[i], generator=torch.Generator().manual_seed(100 * step + i))


def optimizer_of(matrices: list[nn.Parameter], gain: nn.Parameter) -> MuonAdamW:
    hidden = [{"params": matrices, "lr": 0.02, "weight_decay": 0.1, "eps": 1e-7}]
    return MuonAdamW(hidden, [{"params": [gain], "lr": 0.02}], momentum=0.9, betas=(0.9, 0.98))


def run() -> None:
    """Compare some steps with those of one process; a difference ends the process with an error."""
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (world,))
    starts = [gradient(99, i) for i in range(len(SHAPES))]
    whole = [nn.Parameter(start.clone()) for start in starts]
    sharded = [nn.Parameter(distribute_tensor(start, mesh, [Shard(0)])) for start in starts]
    gains = [nn.Parameter(torch.ones(3)) for _ in range(2)]
    alone, together = optimizer_of(whole, gains[0]), optimizer_of(sharded, gains[1])
    exchanges = 0
    exchange = dist.all_to_all_single

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal exchanges
        exchanges += 1
        return exchange(*given, **named)

    dist.all_to_all_single = counted
    counter = Counter()
    for step in range(STEPS):
        for i, (one, other) in enumerate(zip(whole, sharded, strict=True)):
            one.grad, other.grad = gradient(step, i), distribute_tensor(gradient(step, i), mesh, [Shard(0)])
        for gain in gains:
            gain.grad = torch.full((3,), 0.5)
        alone.step()
        with counter:
            together.step()
    rounds = -(-len(SHAPES) // world)
    own = len(range(rank, len(SHAPES), world))
    assert exchanges == 2 * rounds * STEPS, exchanges
    assert counter.products == PRODUCTS_A_MATRIX * own * STEPS, counter.products
    for one, other in zip([*whole, gains[0]], [*sharded, gains[1]], strict=True):
        found = other.data.full_tensor() if isinstance(other.data, DTensor) else other.data
        torch.testing.assert_close(found, one.data, rtol=1e-6, atol=1e-7)
        assert not torch.equal(one.data, torch.ones_like(one.data))
    dist.destroy_process_group()

"""Muon for matrices that are sharded over processes: each matrix is orthogonalised whole, by one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor


@torch.no_grad()
def step_dealt(groups: Sequence[dict[str, Any]], state: dict[Any, Any]) -> None:
    """Take the step of ``torch.optim.Muon`` for parameters that are sharded by rows; every process calls this.

    Momentum, weight decay and the update are computed on the shards. The matrices are dealt over the processes: of
    each round of as many matrices as processes, every process receives one whole, orthogonalises it and sends the rows
    back. So a step costs two exchanges a round, where products of sharded matrices would cost one each.

    Parameters
    ----------
    groups : sequence of dict
        Parameter groups of ``torch.optim.Muon``, with parameters that are ``DTensor`` of two dimensions.
    state : dict
        The optimizer's; gets ``momentum_buffer`` of each parameter.
    """
    for group in groups:
        parameters = [p for p in group["params"] if p.grad is not None]
        for start in range(0, len(parameters), _processes(parameters)):
            _round(parameters[start : start + _processes(parameters)], group, state)


def _processes(parameters: Sequence[DTensor]) -> int:
    return parameters[0].device_mesh.size()


def _round(parameters: Sequence[DTensor], group: dict[str, Any], state: dict[Any, Any]) -> None:
    mesh = parameters[0].device_mesh
    world, rank = mesh.size(), mesh.get_local_rank()
    momentum = group["momentum"]
    shards = []
    for parameter in parameters:
        whole: Any = parameter.grad
        if "momentum_buffer" not in state[parameter]:
            state[parameter]["momentum_buffer"] = torch.zeros_like(whole)
        gradient, buffer = whole.to_local(), state[parameter]["momentum_buffer"].to_local()
        buffer.lerp_(gradient, 1 - momentum)
        update = gradient.lerp(buffer, momentum) if group["nesterov"] else buffer
        shards.append(update.to(torch.bfloat16).flatten())  # the iteration begins with this rounding
    rows = [_rows(parameter, world) for parameter in parameters]
    sizes = [shard.numel() for shard in shards] + [0] * (world - len(shards))
    mine: list[int] = [0] * world
    if rank < len(parameters):
        mine = [count * parameters[rank].shape[1] for count in rows[rank]]
    received = _exchange(torch.cat(shards), sizes, mine, mesh)
    change = received.float()
    if rank < len(parameters):
        change = _change(received.view(parameters[rank].shape), group).flatten()
    back = _exchange(change, mine, sizes, mesh)
    for parameter, part in zip(parameters, torch.split(back, sizes[: len(parameters)]), strict=True):
        local = parameter.to_local()
        local.mul_(1 - group["lr"] * group["weight_decay"])
        local.add_(part.view(local.shape), alpha=float(group["lr"]))


def _rows(parameter: DTensor, world: int) -> list[int]:
    """Return how many rows of ``parameter`` each process holds."""
    sizes = [len(part) for part in torch.arange(parameter.shape[0]).chunk(world)]
    return sizes + [0] * (world - len(sizes))


def _exchange(given: Tensor, sizes: list[int], received: list[int], mesh: Any) -> Tensor:
    """Send the parts of ``given`` with these ``sizes`` to the processes in order; return what they sent."""
    found = given.new_empty(sum(received))
    dist.all_to_all_single(found, given.contiguous(), received, sizes, group=mesh.get_group())
    return found


def _change(update: Tensor, group: dict[str, Any]) -> Tensor:
    """Return what ``torch.optim.Muon`` adds at a learning rate of 1 when its momentum is ``update``, float32."""
    matrix = torch.nn.Parameter(torch.zeros_like(update, dtype=torch.float32))
    matrix.grad = update.float()
    muon: Any = torch.optim.Muon(
        [matrix], lr=1.0, weight_decay=0.0, momentum=0.0, nesterov=False, ns_coefficients=group["ns_coefficients"],
        eps=group["eps"], ns_steps=group["ns_steps"], adjust_lr_fn=group["adjust_lr_fn"],
    )  # fmt: skip
    muon.step()
    return matrix.detach()

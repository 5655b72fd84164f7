"""Ranks of the processes of one run, and the environment by which they find each other, as ``torchrun`` sets it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ProcessPlacement:
    """Where a process stands.

    Attributes
    ----------
    node, address : str
        Its node's name, and the address at which others reach it.
    port : int
        A free one there.
    gpus : tuple of str
        Those reserved for it, by their numbers on the node.
    """

    node: str
    address: str
    port: int
    gpus: tuple[str, ...] = ()


def environments(placements: Sequence[ProcessPlacement]) -> list[dict[str, str]]:
    """Return the environment variables of each process, in the order of ``placements``.

    Ranks are given node by node. Every process sees all of the run's GPUs on its node and takes the one at its local
    rank, so that processes of a node can read each other's memory.
    """
    nodes = list(dict.fromkeys(each.node for each in placements))
    order = sorted(range(len(placements)), key=lambda i: (nodes.index(placements[i].node), i))
    first = placements[order[0]]
    found: dict[int, dict[str, str]] = {}
    for rank, i in enumerate(order):
        local = [j for j in order if placements[j].node == placements[i].node]
        found[i] = {
            "RANK": str(rank), "WORLD_SIZE": str(len(placements)), "LOCAL_RANK": str(local.index(i)),
            "LOCAL_WORLD_SIZE": str(len(local)), "GROUP_RANK": str(nodes.index(placements[i].node)),
            "MASTER_ADDR": first.address, "MASTER_PORT": str(first.port), "TORCHELASTIC_RUN_ID": "calque",
            "CUDA_VISIBLE_DEVICES": ",".join(gpu for j in local for gpu in placements[j].gpus),
        }  # fmt: skip
    return [found[i] for i in range(len(placements))]


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])

"""Where the processes of one run sit, and the environment by which they find each other, as of ``torchrun``."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Seat:
    """Where a process sits.

    Attributes
    ----------
    node, address : str
        Its node's name, and the address at which others reach it.
    port : int
        A free one there.
    gpus : tuple of str
        Those given to it, by their numbers on the node.
    """

    node: str
    address: str
    port: int
    gpus: tuple[str, ...] = ()


def environments(seats: Sequence[Seat]) -> list[dict[str, str]]:
    """Return the environment of each process, in the order of the seats.

    Ranks go node by node. Every process sees all of the run's GPUs on its node and takes the one at its local rank, so
    that they can read each other's memory.
    """
    nodes = list(dict.fromkeys(seat.node for seat in seats))
    order = sorted(range(len(seats)), key=lambda i: (nodes.index(seats[i].node), i))
    first = seats[order[0]]
    made: dict[int, dict[str, str]] = {}
    for rank, i in enumerate(order):
        beside = [j for j in order if seats[j].node == seats[i].node]
        made[i] = {
            "RANK": str(rank), "WORLD_SIZE": str(len(seats)), "LOCAL_RANK": str(beside.index(i)),
            "LOCAL_WORLD_SIZE": str(len(beside)), "GROUP_RANK": str(nodes.index(seats[i].node)),
            "MASTER_ADDR": first.address, "MASTER_PORT": str(first.port), "TORCHELASTIC_RUN_ID": "calque",
            "CUDA_VISIBLE_DEVICES": ",".join(gpu for j in beside for gpu in seats[j].gpus),
        }  # fmt: skip
    return [made[i] for i in range(len(seats))]


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])

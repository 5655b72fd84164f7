"""What one process scores where several score a checkpoint together."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch.distributed as dist

Part = TypeVar("Part")


@dataclass(frozen=True, kw_only=True)
class Share:
    """The share of one process in the scoring of a checkpoint.

    Whole batches are dealt, never rows of them: a batch gives the same bits whichever process reads it.

    Attributes
    ----------
    rank, processes : int
        This process, from 0, and how many there are.
    """

    rank: int = 0
    processes: int = 1

    def deal(self, costs: Sequence[float]) -> list[int]:
        """Return which parts this process takes, ascending; the largest are dealt first, to whom has the least.

        Parameters
        ----------
        costs : sequence of float
            Of each part, such as its tokens; the same in every process.
        """
        loads = [(0.0, rank) for rank in range(self.processes)]
        mine = []
        for part in sorted(range(len(costs)), key=lambda part: (-costs[part], part)):
            load, rank = loads[0]
            heapq.heapreplace(loads, (load + costs[part], rank))
            if rank == self.rank:
                mine.append(part)
        return sorted(mine)

    def together(self, found: Mapping[int, Part]) -> dict[int, Part]:
        """Return what all processes found, by part, ascending; every process calls this."""
        everyone: list[Mapping[int, Part]] = [found]
        if self.processes > 1:
            everyone = [{} for _ in range(self.processes)]
            dist.all_gather_object(everyone, dict(found))
        return dict(sorted((part, value) for one in everyone for part, value in one.items()))

    def told(self, decided: bool) -> bool:
        """Return what rank 0 ``decided``; every process calls this."""
        if self.processes == 1:
            return decided
        said = [decided]
        dist.broadcast_object_list(said, src=0)
        return said[0]


ALONE = Share()
"""Everything."""

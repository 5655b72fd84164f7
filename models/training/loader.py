"""The loader: this rank's rows of every batch, prefetched to a GPU."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Batches(Protocol):
    """Gives the batch of a step, as ``calque.data.shards.sampler.Sampler`` does."""

    def batch(self, step: int) -> NDArray[np.int64]:
        """Return the token ids of ``step``, shape (batch_size, context + 1)."""
        ...


class Loader:
    """Loads the batches of steps ``start`` to ``stop``. A batch is a function of its step: no position is saved.

    Parameters
    ----------
    batches : Batches
        Of the whole batch of every step.
    start, stop : int
    device : torch.device
    rank, world_size : int
        This process takes rows ``rank``, ``rank + world_size``, ... of each batch.
    ahead : int, optional
        Batches that a thread prefetches. By default 4 for a GPU, in pinned memory and copied asynchronously, and none
        for a CPU, where reading a batch takes less time than waking a thread.
    """

    def __init__(
        self, batches: Batches, start: int, stop: int, device: torch.device, rank: int = 0, world_size: int = 1,
        ahead: int | None = None,
    ) -> None:  # fmt: skip
        self.batches, self.start, self.stop, self.device = batches, start, stop, device
        self.rank, self.world_size = rank, world_size
        self.pinned = device.type == "cuda"
        self.ahead = (4 if self.pinned else 0) if ahead is None else ahead

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the rows of each step on the device, shape (batch_size / world_size, context + 1)."""
        if not self.ahead:
            for step in range(self.start, self.stop):
                yield self._batch(step).to(self.device)
            return
        with closing(self._prepared()) as prepared:
            for batch in prepared:
                yield batch.to(self.device, non_blocking=True)

    def _batch(self, step: int) -> Tensor:
        batch = torch.from_numpy(np.ascontiguousarray(self.batches.batch(step)[self.rank :: self.world_size]))
        return batch.pin_memory() if self.pinned else batch

    def _prepared(self) -> Generator[Tensor]:
        """Yield batches that a thread reads; its errors are raised here."""
        ready: queue.Queue[Tensor | BaseException] = queue.Queue(self.ahead)
        enough = threading.Event()

        def prepare() -> None:
            for step in range(self.start, self.stop):
                try:
                    batch: Tensor | BaseException = self._batch(step)
                except BaseException as error:  # raised where the batch is taken
                    batch = error
                while not enough.is_set():
                    try:
                        ready.put(batch, timeout=0.1)
                        break
                    except queue.Full:
                        continue
                if enough.is_set() or isinstance(batch, BaseException):
                    return

        thread = threading.Thread(target=prepare, name="loader", daemon=True)
        thread.start()
        try:
            for _ in range(self.start, self.stop):
                batch = ready.get()
                if isinstance(batch, BaseException):
                    raise batch
                yield batch
        finally:
            enough.set()
            thread.join()

"""Training batches from token shards: a pure function of the step, for any resume and number of workers.

Row i of all rows ever trained on is fixed by the shards, the shares, the context and ``data_seed`` alone.
Rows come in blocks. Within a block each stream has its exact share of the rows, to the nearest row, evenly
spread with jitter. The rows of a stream, counted over all blocks, go through its windows in one random order
after another: each window once an epoch.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calque.data.errors import UserError, nearest
from calque.data.quantities import plural
from calque.data.shards.shards import Shards

BLOCK_ROWS = 4096
ORDER, WINDOWS = 0, 1


@dataclass(frozen=True, kw_only=True)
class _Stream:
    ids: NDArray[np.unsignedinteger]
    key: int
    windows: int
    rows: int


class Sampler:
    """Rows of ``context + 1`` tokens; neighbouring windows share one, so that each token is predicted once.

    Parameters
    ----------
    shards : Shards
        Their training split is used.
    shares : mapping of str to float
        Share of each stream among the rows (see ``calque.data.mixes.mix.stream_shares``); they sum to 1. Held exactly
        in every block of 4096 rows, to the nearest row.
    context : int
        Tokens predicted in a row.
    batch_size : int
        Rows of a global batch, over all ranks.
    data_seed : int
        Draws the order of rows; nothing else does.
    rank, world_size : int
        This process takes rows ``rank``, ``rank + world_size``, ... of each global batch.

    Raises
    ------
    UserError
        When a stream is unknown or shorter than a row, the shares do not sum to 1, a share is too small to
        have a row in a block, or the batch cannot be dealt out evenly.
    """

    def __init__(
        self,
        shards: Shards,
        shares: Mapping[str, float],
        context: int,
        batch_size: int,
        data_seed: int,
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        for name, value in (("context", context), ("batch_size", batch_size), ("world_size", world_size)):
            if value < 1:
                raise UserError(f"{name} is {value}; expected 1 or more")
        if data_seed < 0:
            raise UserError(f"data_seed is {data_seed}; expected 0 or more")
        if not 0 <= rank < world_size:
            raise UserError(f"rank is {rank}; expected 0 to {world_size - 1}")
        if batch_size % world_size:
            raise UserError(
                f"batch_size is {batch_size}, which {plural(world_size, 'worker')} cannot share evenly; "
                f"expected a multiple of {world_size}"
            )
        self.context, self.batch_size, self.data_seed = context, batch_size, data_seed
        self.rank, self.world_size = rank, world_size
        self.shares = {stream: float(shares[stream]) for stream in sorted(shares) if shares[stream] != 0}
        rows = _block_rows(self.shares)
        self._streams = [self._stream(shards, name, rows[name]) for name in self.shares]
        self._blocks: dict[int, NDArray[np.int64]] = {}
        self._orders: dict[int, tuple[int, NDArray[np.int64]]] = {}

    def _stream(self, shards: Shards, name: str, rows: int) -> _Stream:
        if name not in shards.train:
            known = list(shards.train)
            raise UserError(
                f"the shards in {shards.folder} have no stream '{name}'; "
                f"expected one of {', '.join(known)}{nearest(name, known)}"
            )
        ids = np.asarray(shards.train[name].ids)
        if len(ids) <= self.context:
            raise UserError(
                f"the stream '{name}' in {shards.folder} has {len(ids)} tokens, too few for one row; "
                f"expected {self.context + 1} or more: give it more text, or choose a shorter context"
            )
        key = zlib.crc32(name.encode())
        return _Stream(ids=ids, key=key, windows=(len(ids) - 1) // self.context, rows=rows)

    def batch(self, step: int) -> NDArray[np.int64]:
        """Return this rank's rows of a global batch.

        Parameters
        ----------
        step : int
            From 0 on.

        Returns
        -------
        array of int64, shape (batch_size / world_size, context + 1)
        """
        start = step * self.batch_size
        return self.rows(np.arange(start + self.rank, start + self.batch_size, self.world_size))

    def batches(self, start_step: int = 0) -> Iterator[NDArray[np.int64]]:
        """Yield the batches from ``start_step`` on, without end."""
        step = start_step
        while True:
            yield self.batch(step)
            step += 1

    def rows(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows with these ``indices`` in the whole of training, shape (rows, context + 1)."""
        rows = np.empty((len(indices), self.context + 1), np.int64)
        for row, (stream, window) in zip(rows, self.places(indices).tolist(), strict=True):
            start = window * self.context
            row[:] = self._streams[stream].ids[start : start + self.context + 1]
        return rows

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
        return tuple(self.shares)

    def row_streams(self, step: int) -> list[int]:
        """Return the stream of each row of this rank's batch of ``step``, as an index of ``streams``."""
        start = step * self.batch_size
        found: list[int] = self.places(np.arange(start + self.rank, start + self.batch_size, self.world_size))[
            :, 0
        ].tolist()
        return found

    def drawn(self, steps: int) -> dict[str, int]:
        """Return how many rows of each stream the first ``steps`` global batches hold: the realised shares, exactly."""
        return self.drawn_rows(steps * self.batch_size)

    def drawn_rows(self, rows: int) -> dict[str, int]:
        """Return how many of the first ``rows`` rows each stream has."""
        blocks, rest = divmod(rows, BLOCK_ROWS)
        last = np.bincount(self._block(blocks)[:rest, 0], minlength=len(self._streams))
        pairs = zip(self.shares, self._streams, last.tolist(), strict=True)
        return {name: blocks * stream.rows + count for name, stream, count in pairs}

    def places(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return stream (an index into ``shares``) and window of the rows with these ``indices``, shape (rows, 2)."""
        blocks, rows = np.divmod(indices, BLOCK_ROWS)
        places = np.empty((len(indices), 2), np.int64)
        for block in np.unique(blocks):
            places[blocks == block] = self._block(int(block))[rows[blocks == block]]
        return places

    def state(self, step: int) -> dict[str, int]:
        """Return everything needed to resume with batch ``step``."""
        return {"index": step * self.batch_size, "data_seed": self.data_seed}

    def step(self, state: Mapping[str, Any]) -> int:
        """Return the step at which ``state`` resumes.

        Raises
        ------
        UserError
            When the state is of another data seed, or not at the beginning of a batch of this size.
        """
        if state["data_seed"] != self.data_seed:
            raise UserError(
                f"the run was begun with data_seed {state['data_seed']}, not {self.data_seed}; "
                f"expected the same to go on"
            )
        step, rest = divmod(state["index"], self.batch_size)
        if rest:
            raise UserError(
                f"the run has taken {plural(state['index'], 'row')}, no multiple of batch_size {self.batch_size}; "
                "expected the batch size it was begun with"
            )
        return int(step)

    def _block(self, block: int) -> NDArray[np.int64]:
        """Return stream and window of each row of a block, shape (BLOCK_ROWS, 2)."""
        if block not in self._blocks:
            if len(self._blocks) > 1:
                self._blocks.pop(min(self._blocks))
            times, parts = [], []
            for number, stream in enumerate(self._streams):
                rng = np.random.default_rng([self.data_seed, ORDER, stream.key, block])
                times.append((np.arange(stream.rows) + rng.random(stream.rows)) / stream.rows)
                windows = self._windows(number, block * stream.rows + np.arange(stream.rows))
                parts.append(np.stack([np.full(stream.rows, number), windows], axis=1))
            order = np.argsort(np.concatenate(times), kind="stable")
            self._blocks[block] = np.concatenate(parts)[order]
        return self._blocks[block]

    def _windows(self, number: int, nth: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the windows that the nth rows of a stream hold."""
        stream = self._streams[number]
        epochs, places = np.divmod(nth, stream.windows)
        windows = np.empty(len(nth), np.int64)
        for epoch in np.unique(epochs):
            if self._orders.get(number, (None,))[0] != epoch:
                rng = np.random.default_rng([self.data_seed, WINDOWS, stream.key, int(epoch)])
                self._orders[number] = int(epoch), rng.permutation(stream.windows)
            windows[epochs == epoch] = self._orders[number][1][places[epochs == epoch]]
        return windows


def _block_rows(shares: Mapping[str, float]) -> dict[str, int]:
    """Return the rows each stream has in a block: its share to the nearest row, by largest remainders."""
    for stream, share in shares.items():
        if not share > 0:
            raise UserError(f"the share of stream '{stream}' is {share}; expected a number above 0")
    total = sum(shares.values())
    if not np.isclose(total, 1, rtol=1e-6):
        raise UserError(f"the shares of the streams sum to {total:g}; expected 1")
    exact = {stream: BLOCK_ROWS * share / total for stream, share in shares.items()}
    rows = {stream: int(wanted) for stream, wanted in exact.items()}
    by_remainder = sorted(rows, key=lambda stream: (rows[stream] - exact[stream], stream))
    for stream in by_remainder[: BLOCK_ROWS - sum(rows.values())]:
        rows[stream] += 1
    for stream, count in rows.items():
        if count == 0:
            raise UserError(
                f"the share of stream '{stream}' is {shares[stream]:g}, which gives it no row; "
                f"expected {1 / BLOCK_ROWS:.2g} or more, or 0"
            )
    return rows

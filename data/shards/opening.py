"""Training batches that begin with other text: the rows of one sampler, then those of another from its first on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.data.shards.sampler import Sampler


class OpeningSampler:
    """Batches of ``opening`` for some rows, then all of ``rest``, as they would be without the opening.

    Parameters
    ----------
    opening, rest : Sampler
        Of the same context, batch size and data seed, for one process.
    tokens : int
        Of the opening; to the row below. A batch may hold rows of both.

    Raises
    ------
    UserError
        When they are less than a row.
    """

    def __init__(self, opening: Sampler, rest: Sampler, tokens: int) -> None:
        self.opening, self.rest, self.opening_rows = opening, rest, tokens // rest.context
        if not self.opening_rows:
            raise UserError(f"the opening has {tokens} tokens; expected a row's {rest.context} or more, or none")

    def batch(self, step: int) -> NDArray[np.int64]:
        """Return the batch of ``step``, from 0 on, shape (batch_size, context + 1)."""
        before, after = self._rows(step)
        return np.concatenate([self.opening.rows(before), self.rest.rows(after)])

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams, those of the opening first."""
        return (*self.opening.streams, *self.rest.streams)

    def row_streams(self, step: int) -> list[int]:
        """Return the stream of each row of the batch of ``step``, as an index of ``streams``."""
        before, after = self._rows(step)
        first, then = self.opening.places(before)[:, 0], self.rest.places(after)[:, 0]
        found: list[int] = [*first.tolist(), *(then + len(self.opening.streams)).tolist()]
        return found

    def _rows(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of the batch of ``step`` in the opening, and in the rest."""
        first, stop = step * self.rest.batch_size, (step + 1) * self.rest.batch_size
        middle = min(max(first, self.opening_rows), stop)
        return np.arange(first, middle), np.arange(middle, stop) - self.opening_rows

    def drawn(self, steps: int) -> dict[str, int]:
        """Return how many rows of each stream the first ``steps`` batches hold."""
        rows = steps * self.rest.batch_size
        opening = {name: min(rows, self.opening_rows) for name in self.opening.shares}
        return {**self.rest.drawn_rows(max(rows - self.opening_rows, 0)), **opening}

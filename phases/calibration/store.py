"""Finished blocks of a long run, one JSON object a line: an interrupted run resumes from them.

A block is used again only for the same suite version, design, seed, settings and statistics (the digest of their
sources); other lines stay in the file and are left alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from calque.data.errors import UserError
from calque.phases.calibration.cells import SUITE, Cell
from calque.phases.calibration.outcomes import Columns, Options
from calque.phases.calibration.sources import source_digest


@dataclass(frozen=True)
class Block:
    """Replicates ``first`` to ``first + n`` of one cell."""

    cell: str
    first: int
    n: int


class Store:
    """The blocks of a file, or of memory alone when ``path`` is None.

    Parameters
    ----------
    path : Path, optional
        File of blocks; it need not exist.
    options : Options
        Seed, and settings of the statistics.

    Raises
    ------
    UserError
        When the file has a line that is no block.
    """

    def __init__(self, path: Path | None, options: Options) -> None:
        self.path = path
        self.options = asdict(options)
        self.blocks: dict[Block, tuple[Columns, float]] = {}
        self.unused = 0
        self.lines: list[dict[str, object]] = []
        if path is not None and path.exists():
            self._read(path)

    def _read(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        whole, _, torn = text.rpartition("\n")
        if torn:  # the writer was stopped within a line: drop it, or the next line would be glued to it
            os.truncate(path, len(whole.encode()) + bool(whole))
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                record = json.loads(line)
                self.lines.append({k: record[k] for k in ("key", "cell", "first", "n", "seconds", "columns")})
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{path}, line {number}, is no block of a calibration; name another file with `out`"
                ) from error

    def key(self, cell: Cell) -> str:
        """Return the hash of suite version, ``cell``, options and sources; only blocks with equal keys are combined."""
        parts = [SUITE, cell.name, cell.digest, self.options, source_digest()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def take(self, cells: tuple[Cell, ...]) -> None:
        """Read the blocks of ``cells`` from the file; count those of other designs, settings or sources as unused."""
        keys = {self.key(cell): cell.name for cell in cells}
        names = set(keys.values())
        self.unused = 0
        for line in self.lines:
            if line["key"] in keys:
                block = Block(keys[str(line["key"])], int(str(line["first"])), int(str(line["n"])))
                self.blocks[block] = (_read_columns(line["columns"]), float(str(line["seconds"])))
            elif line["cell"] in names:
                self.unused += 1

    def add(self, cell: Cell, block: Block, found: Columns, seconds: float) -> None:
        """Keep a finished block, and append it to the file at once.

        Parameters
        ----------
        cell : Cell
            The design.
        block : Block
            Numbers of its replicates.
        found : dict of array, shape (block.n,)
            Answers as columns.
        seconds : float
            Processor time.
        """
        self.blocks[block] = (found, seconds)
        if self.path is None:
            return
        record = {
            "key": self.key(cell), "suite": SUITE, "sources": source_digest(), **self.options, "cell": cell.name,
            "first": block.first, "n": block.n, "seconds": round(seconds, 3), "columns": _written(found),
        }  # fmt: skip
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")

    def gathered(self, cell: Cell, replicates: int) -> tuple[Columns, float]:
        """Return the answers (replicates,) to the first ``replicates`` of ``cell`` and their processor time in seconds.

        Blocks may overlap: a later one replaces the answers of an earlier one.
        """
        mine = [(block, *self.blocks[block]) for block in self.blocks if block.cell == cell.name]
        at: dict[int, tuple[Columns, int]] = {}
        seconds = 0.0
        for block, found, spent in sorted(mine, key=lambda b: (b[0].first, b[0].n)):
            kept = range(block.first, min(block.first + block.n, replicates))
            seconds += spent * len(kept) / block.n
            at |= {r: (found, r - block.first) for r in kept}
        names = next(iter(at.values()))[0].keys() if at else ()
        return {name: np.array([at[r][0][name][at[r][1]] for r in sorted(at)]) for name in names}, seconds


def _written(found: Columns) -> dict[str, list[float | str]]:
    """Return columns that standard JSON can hold: numbers, and the words nan, inf and -inf."""
    return {
        name: [float(f"{v:.7g}") if math.isfinite(v) else str(float(v)) for v in values]
        for name, values in found.items()
    }


def _read_columns(written: object) -> Columns:
    assert isinstance(written, dict)
    return {name: np.array([float(v) for v in values]) for name, values in written.items()}

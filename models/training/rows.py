"""Sequences of a micro-batch: as many as fit, fewer once a first step ran out of memory."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import torch

from calque.data.files import write_atomically
from calque.data.quantities import plural
from calque.models.config.memory import sequences_at_once
from calque.models.config.sizes import DecoderConfig
from calque.models.config.training import TrainingConfig

FILE = "micro_batch.json"
LOG = logging.getLogger("calque")
Fewer = Callable[[int], None]
"""Called with the rows that are tried next, before they are."""


class FewerRowsError(RuntimeError):
    """A process of several ran out of memory; fewer rows are recorded, with which all start again."""


def rows_that_fit(
    shape: DecoderConfig, config: TrainingConfig, device: torch.device, folder: str | os.PathLike[str] | None
) -> int:
    """Return the sequences of a micro-batch: as many as are estimated to fit, or fewer where ``folder`` records so.

    Parameters
    ----------
    shape : DecoderConfig
    config : TrainingConfig
    device : torch.device
    folder : path, optional
        The run's.
    """
    capacity = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None
    rows = sequences_at_once(shape, config, capacity)
    path = None if folder is None else Path(folder) / FILE
    if path is None or not path.is_file():
        return rows
    recorded = int(json.loads(path.read_text())["micro_batch_size"])
    return recorded if rows % recorded == 0 else rows


def halved(rows: int) -> int:
    """Return the largest divisor of ``rows``, at least 2, that is at most half of it."""
    return next(fewer for fewer in range(rows // 2, 0, -1) if rows % fewer == 0)


def record_in(folder: str | os.PathLike[str], devices: int) -> Fewer:
    """Return what records fewer rows in the run's ``folder``, from which a resumed run takes them.

    With several ``devices`` it raises :class:`FewerRowsError`: the other processes wait for this one's gradients, so
    all have to start again.
    """
    path = Path(folder) / FILE

    def record(rows: int) -> None:
        why = f"the first step ran out of memory with more than {rows} sequences of a micro-batch"
        write_atomically(path, json.dumps({"micro_batch_size": rows, "why": why}).encode() + b"\n")
        LOG.warning("%s; it goes on with %s, which gives the same step", why, rows)
        if devices > 1:
            raise FewerRowsError(f"{why}; all {plural(devices, 'process', 'processes')} start again with {rows}")

    return record

"""Every step in TensorBoard's event files, over tokens."""

from __future__ import annotations

import importlib.util
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calque.data.errors import UserError


class StepEvents:
    """Writes event files; a process that goes on tells TensorBoard to forget what it will write again.

    Parameters
    ----------
    folder : path

    Raises
    ------
    UserError
        When the package ``tensorboardX`` is missing.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        if importlib.util.find_spec("tensorboardX") is None:
            raise UserError(
                "training.tensorboard is yes, but the package tensorboardX is missing; install it (pip install "
                "tensorboardX), or leave the key out: steps.csv has the same values"
            )
        self.folder = Path(folder)
        self.writer: Any = None

    def begin(self, tokens: int) -> None:
        """Open a file for what comes after ``tokens``."""
        from tensorboardX import SummaryWriter

        # the name of the file has the second alone: one that is opened in the same second would take the other's place
        suffix = f".{time.time_ns()}"
        self.writer = SummaryWriter(str(self.folder), purge_step=tokens + 1, filename_suffix=suffix)

    def add(self, tokens: int, values: Mapping[str, float]) -> None:
        """Add the ``values`` of the step that ends at ``tokens``, by name; those that are missing are left out."""
        for name, value in values.items():
            if not math.isnan(value):
                self.writer.add_scalar(f"step/{name}", value, global_step=tokens)

    def flush(self) -> None:
        """Write what is still to be written."""
        self.writer.flush()

    def close(self) -> None:
        """Write what is still to be written, and close the file."""
        if self.writer is not None:
            self.writer.close()

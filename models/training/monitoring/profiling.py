"""A profile of a few training steps: a trace, a table of operators, and on a GPU a memory snapshot."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from calque.data.files import make_folder, replacing
from calque.models.config.profiling import ProfileConfig

FOLDER = "profile"
MEMORY_EVENTS = 200_000
"""Most allocations that a memory snapshot remembers, the newest."""
ROWS = 40
"""Operators in the table, the slowest first."""
LOG = logging.getLogger("calque")


class StepProfiler:
    """Profiles steps of this process, once for a run: where a profile stands, none is made again.

    Parameters
    ----------
    folder : path
        The run's; gets ``profile/``.
    config : ProfileConfig, optional
        None: nothing is profiled.
    device : torch.device
    rank : int
        Of this process, in the names of its files.
    """

    def __init__(
        self, folder: str | os.PathLike[str], config: ProfileConfig | None, device: torch.device, rank: int
    ) -> None:
        self.folder, self.config, self.device, self.rank = Path(folder) / FOLDER, config, device, rank
        self.taken = 0
        self._profile: Any = None
        self._span: Any = None
        if any(self.folder.glob(f"*-rank{rank}.trace.json.gz")):
            self.config = None

    def begin_step(self, step: int) -> None:
        """Begin optimizer step ``step`` (from 1), and the profile where it is the first of it."""
        if self.config is None:
            return
        if self.taken == self.config.after:
            activities = [ProfilerActivity.CPU]
            if self.device.type == "cuda":
                activities.append(ProfilerActivity.CUDA)
                torch.cuda.memory._record_memory_history(max_entries=MEMORY_EVENTS)
            self._profile = profile(activities=activities, record_shapes=True, profile_memory=True)
            self._profile.__enter__()
        if self._profile is not None:
            self._span = record_function(f"training step {step}")
            self._span.__enter__()

    def end_step(self, step: int) -> None:
        """End ``step``; write the profile where it was the last of it."""
        self.taken += 1
        if self._profile is None or self.config is None:
            return
        self._span.__exit__(None, None, None)
        if self.taken == self.config.after + self.config.steps:
            self._write(step)

    def end(self, step: int) -> None:
        """Write what was profiled up to ``step`` where training ends within the profile."""
        if self._profile is not None:
            self._write(step)

    def _write(self, step: int) -> None:
        recorded, self._profile, self.config = self._profile, None, None
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        recorded.__exit__(None, None, None)
        name = f"step-{step:08d}-rank{self.rank}"
        make_folder(self.folder)
        if self.device.type == "cuda":
            with replacing(self.folder / f"{name}.memory.pickle") as partial:
                torch.cuda.memory._dump_snapshot(str(partial))  # type: ignore[no-untyped-call]
            torch.cuda.memory._record_memory_history(enabled=None)
        by = "self_device_time_total" if self.device.type == "cuda" else "self_cpu_time_total"
        with replacing(self.folder / f"{name}.txt") as partial:
            partial.write_text(recorded.key_averages().table(sort_by=by, row_limit=ROWS))
        # the trace last: it tells that the profile is there
        trace = self.folder / f"{name}.trace.json.gz"
        partial = trace.with_name(f".{trace.name}")  # the name's end tells torch to compress
        recorded.export_chrome_trace(str(partial))
        os.replace(partial, trace)
        LOG.info("profile: %s", trace)

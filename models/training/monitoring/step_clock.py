"""Times of training steps, without waiting for the device."""

from __future__ import annotations

import time

import torch

Mark = float | torch.cuda.Event
"""A moment: of this process, or of the work that a GPU was given up to it."""


class StepClock:
    """Takes moments of training. On a GPU they are those of its own work, which a process only queues.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def mark(self) -> Mark:
        """Return the present moment; on a GPU the one at which what was queued so far is done."""
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        return event


def seconds_between(earlier: Mark, later: Mark) -> float:
    """Return the seconds from ``earlier`` to ``later``, two marks of a clock; on a GPU both are in the past by now."""
    if isinstance(earlier, torch.cuda.Event) and isinstance(later, torch.cuda.Event):
        return float(earlier.elapsed_time(later)) / 1000
    assert isinstance(earlier, float) and isinstance(later, float), "marks of one clock"
    return later - earlier

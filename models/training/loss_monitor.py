"""Monitoring the loss without waiting for the device: values stay there and are read together now and then."""

from __future__ import annotations

import math

import torch
from torch import Tensor

UNREAD = 512
"""Most steps whose values are not read yet."""


class LossMonitor:
    """Losses and gradient norms since the last reading."""

    def __init__(self) -> None:
        self._unread: list[tuple[int, Tensor, Tensor]] = []
        self.loss = math.nan

    def add(self, step: int, loss: Tensor, norm: Tensor) -> None:
        """Take ``loss`` (nats/token) and the gradient's ``norm`` of optimizer step ``step`` (from 1), unread."""
        if len(self._unread) >= UNREAD:
            self.read()
        self._unread.append((step, loss, norm))

    def read(self) -> float:
        """Return the newest loss (nats/token).

        Raises
        ------
        FloatingPointError
            Naming the first step and batch whose loss or gradient is not finite.
        """
        if self._unread:
            losses, norms = (torch.stack([row[i] for row in self._unread]).tolist() for i in (1, 2))  # type: ignore[misc]
            for (step, _, _), loss, norm in zip(self._unread, losses, norms, strict=True):
                if not math.isfinite(loss) or not math.isfinite(norm):
                    what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient's norm is {norm}"
                    raise FloatingPointError(
                        f"the {what} at step {step} (batch {step - 1} of the data order); earlier states are kept: "
                        "lower the learning rate, inspect that batch, or allow it by training.skip_nonfinite"
                    )
            self.loss = losses[-1]
            self._unread.clear()
        return self.loss

    def newest_is_finite(self) -> bool:
        """Return whether the newest loss and norm are finite; this waits for the device."""
        _, loss, norm = self._unread[-1]
        return bool(torch.isfinite(loss) & torch.isfinite(norm))

    def forget_newest(self) -> None:
        """Drop the newest values: their step was skipped."""
        self._unread.pop()

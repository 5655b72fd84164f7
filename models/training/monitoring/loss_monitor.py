"""Monitoring the loss without waiting for the device: values stay there and are read together now and then."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from calque.models.training.monitoring.step_clock import Mark, StepClock, seconds_between
from calque.models.training.monitoring.step_log import LoggedStep, StepLog

UNREAD = 512
"""Most steps whose values are not read yet."""


@dataclass(frozen=True, kw_only=True)
class _Unread:
    """A step whose values are still on the device; ``began`` and ``ended`` are marks of the clock."""

    step: int
    loss: Tensor
    norm: Tensor
    learning_rate: float
    began: Mark
    ended: Mark
    skipped: bool = False


class LossMonitor:
    """Losses and gradient norms since the last reading.

    Parameters
    ----------
    log : StepLog, optional
        Gets every step that is read.
    device : torch.device, optional
        Of training; by default a CPU.
    """

    def __init__(self, log: StepLog | None = None, device: torch.device | None = None) -> None:
        self.log, self.clock = log, StepClock(device or torch.device("cpu"))
        self._unread: list[_Unread] = []
        self._last = self.clock.mark()
        self.loss = math.nan

    def restart_clock(self) -> None:
        """Let the next step begin now: what was done since the last one was no training."""
        self._last = self.clock.mark()

    def add(self, step: int, loss: Tensor, norm: Tensor, learning_rate: float = math.nan) -> None:
        """Take the values of optimizer step ``step`` (from 1), unread.

        Parameters
        ----------
        step : int
        loss : Tensor
            Scalar, nats/token.
        norm : Tensor
            Scalar: of the gradient, before it is clipped.
        learning_rate : float
            At which the step is taken.
        """
        if len(self._unread) >= UNREAD:
            self.read()
        began, self._last = self._last, self.clock.mark()
        self._unread.append(
            _Unread(step=step, loss=loss, norm=norm, learning_rate=learning_rate, began=began, ended=self._last)
        )

    def read(self, sync: bool = False) -> float:
        """Return the loss (nats/token) of the newest step that was taken.

        Parameters
        ----------
        sync : bool
            Whether the log is forced to disk: before a state is, from which training may go on.

        Raises
        ------
        FloatingPointError
            Naming the first step and batch whose loss or gradient is not finite, if it was not skipped.
        """
        read: list[tuple[_Unread, float, float]] = []
        if self._unread:
            losses, norms = (
                torch.stack([getattr(each, name) for each in self._unread]).tolist() for name in ("loss", "norm")
            )
            read = list(zip(self._unread, losses, norms, strict=True))
            self._unread.clear()
        if self.log is not None:
            self.log.add([_logged(each, loss, norm) for each, loss, norm in read], sync)
        for each, loss, norm in read:
            if each.skipped:
                continue
            if not math.isfinite(loss) or not math.isfinite(norm):
                what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient's norm is {norm}"
                raise FloatingPointError(
                    f"the {what} at step {each.step} (batch {each.step - 1} of the data order); earlier states are "
                    "kept: lower the learning rate, inspect that batch, or allow it by training.skip_nonfinite"
                )
            self.loss = loss
        return self.loss

    def newest(self) -> tuple[float, float]:
        """Return loss and gradient norm of the newest step; this waits for the device."""
        newest = self._unread[-1]
        loss, norm = torch.stack([newest.loss, newest.norm]).tolist()
        return loss, norm

    def skip_newest(self) -> None:
        """Mark the newest step as skipped: its values are logged, and no error."""
        self._unread[-1] = replace(self._unread[-1], skipped=True)


def _logged(each: _Unread, loss: float, norm: float) -> LoggedStep:
    return LoggedStep(
        step=each.step, loss=loss, gradient_norm=norm, learning_rate=each.learning_rate,
        seconds=seconds_between(each.began, each.ended), skipped=each.skipped,
    )  # fmt: skip

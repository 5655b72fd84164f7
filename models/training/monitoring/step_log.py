"""The log of every optimizer step, ``steps.csv`` in a run's folder: it is added to, and outlives the process."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calque.data.files import write_atomically
from calque.models.config.devices import peak_of_name
from calque.models.config.sizes import DecoderConfig
from calque.models.config.training import TrainingConfig
from calque.models.training.monitoring.step_events import StepEvents

FILE = "steps.csv"
COLUMNS = (
    "step", "tokens", "loss", "gradient_norm", "learning_rate", "seconds", "tokens_per_second", "utilisation", "skipped"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LoggedStep:
    """One optimizer step.

    Attributes
    ----------
    step : int
        From 1.
    loss : float
        Of its batch, nats/token.
    gradient_norm : float
        Global, before it is clipped.
    learning_rate : float
        At the base width and depth.
    seconds : float
        From the step before to this one, without scoring.
    skipped : bool
        Whether the weights stayed as they were.
    """

    step: int
    loss: float
    gradient_norm: float
    learning_rate: float
    seconds: float
    skipped: bool = False


class StepLog:
    """Logs every step of a run; lives on the process of rank 0.

    Parameters
    ----------
    folder : path
        The run's.
    shape : DecoderConfig
    config : TrainingConfig
    """

    def __init__(self, folder: str | os.PathLike[str], shape: DecoderConfig, config: TrainingConfig) -> None:
        self.path, self.config = Path(folder) / FILE, config
        self.flops = shape.flops_per_token(config.context)
        self.events = StepEvents(self.path.parent / "tensorboard" / "steps") if config.tensorboard else None
        self.peak: float | None = None
        self.steps: list[LoggedStep] = []

    def begin(self, start: int, device_name: str | None = None) -> None:
        """Go on after step ``start``: later rows, and one that was cut off, are removed.

        Parameters
        ----------
        start : int
            Optimizer steps taken.
        device_name : str, optional
            What the driver calls the GPU that trains; where its peak is known there is a utilisation.
        """
        self.peak = None if device_name is None else peak_of_name(device_name, self.config.precision)
        text = self.path.read_text() if self.path.exists() else ""
        rows = {step: row for step, row in _rows(text).items() if step <= start}
        self.steps = [_step_of(row) for row in rows.values()]
        kept = _lines([list(COLUMNS), *rows.values()])
        if kept != text:
            write_atomically(self.path, kept.encode())
        if self.events is not None:
            self.events.begin(start * self.config.tokens_per_step)

    def add(self, steps: Iterable[LoggedStep], sync: bool = False) -> None:
        """Add ``steps`` to the file; ``sync`` forces it to disk."""
        steps = list(steps)
        self.steps += steps
        with self.path.open("a") as file:
            file.write(_lines(map(self._row, steps)))
            file.flush()
            if sync:
                os.fsync(file.fileno())
        if self.events is not None:
            for each in steps:
                self.events.add(each.step * self.config.tokens_per_step, self._values(each))
            if sync:
                self.events.flush()

    def summary(self, after: int, upto: int) -> dict[str, float]:
        """Return what the steps after step ``after`` and up to ``upto`` come to; nothing where none is logged.

        ``training_loss`` (nats/token) and ``gradient_norm`` are means over the steps that were taken, ``learning_rate``
        the last, ``logged_tokens_per_second`` and ``utilisation`` of all of their time, ``skipped_steps`` a number.
        Earlier steps are forgotten.

        Parameters
        ----------
        after, upto : int
        """
        self.steps = [each for each in self.steps if each.step > after]
        found = [each for each in self.steps if each.step <= upto]
        taken = [each for each in found if not each.skipped]
        if not found:
            return {}
        rate = len(found) * self.config.tokens_per_step / max(sum(each.seconds for each in found), 1e-9)
        return {
            "training_loss": _mean([each.loss for each in taken]),
            "gradient_norm": _mean([each.gradient_norm for each in taken]),
            "largest_gradient_norm": max((each.gradient_norm for each in taken), default=math.nan),
            "learning_rate": found[-1].learning_rate, "logged_tokens_per_second": rate,
            "utilisation": self._utilisation(rate), "skipped_steps": float(len(found) - len(taken)),
        }  # fmt: skip

    def close(self) -> None:
        """Close what is open."""
        if self.events is not None:
            self.events.close()

    def _utilisation(self, tokens_per_second: float) -> float:
        """Return the share of the devices' peak FLOP/s that the model's FLOPs take; NaN where the peak is not known."""
        if self.peak is None:
            return math.nan
        return tokens_per_second * self.flops / (self.peak * self.config.devices)

    def _values(self, each: LoggedStep) -> dict[str, float]:
        rate = self.config.tokens_per_step / max(each.seconds, 1e-9)
        return {
            "loss": each.loss, "gradient_norm": each.gradient_norm, "learning_rate": each.learning_rate,
            "seconds": each.seconds, "tokens_per_second": rate, "utilisation": self._utilisation(rate),
        }  # fmt: skip

    def _row(self, each: LoggedStep) -> list[str]:
        values = {name: f"{value:.9g}" for name, value in self._values(each).items()}
        if self.peak is None:
            values["utilisation"] = ""
        return [str(each.step), str(each.step * self.config.tokens_per_step), *values.values(), str(int(each.skipped))]


def read_steps(path: str | os.PathLike[str]) -> list[LoggedStep]:
    """Return the steps of the log at ``path``, in order, each once; a row that was cut off does not count."""
    return [_step_of(row) for row in _rows(Path(path).read_text()).values()]


def _rows(text: str) -> dict[int, list[str]]:
    """Return the whole rows of a log by step, ascending; where a step stands twice, the last."""
    whole = text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]
    found = {int(row[0]): row for row in csv.reader(whole) if len(row) == len(COLUMNS) and row[0].isdecimal()}
    return dict(sorted(found.items()))


def _step_of(row: list[str]) -> LoggedStep:
    values = dict(zip(COLUMNS, row, strict=True))
    loss, norm, rate, seconds = (float(values[name]) for name in COLUMNS[2:6])
    return LoggedStep(
        step=int(values["step"]), loss=loss, gradient_norm=norm, learning_rate=rate, seconds=seconds,
        skipped=values["skipped"] == "1",
    )  # fmt: skip


def _lines(rows: Iterable[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan

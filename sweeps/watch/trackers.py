"""Every checkpoint's curves also to TensorBoard, and to Weights & Biases where the user has set it up."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.watch.curves import curves_of

WANDB_VARIABLES = ("WANDB_API_KEY", "WANDB_PROJECT", "WANDB_MODE")
"""One of these in the environment, and the package ``wandb`` installed, is what having it set up means here."""


class Tracker(Protocol):
    """Takes the curves of one run, a checkpoint at a time."""

    def log(self, tokens: int, values: dict[str, float]) -> None:
        """Take the values of a checkpoint; the same checkpoint may come again.

        Parameters
        ----------
        tokens : int
            Position in training.
        values : dict of str to float
            By name of the curve.
        """
        ...

    def close(self) -> None:
        """Write what is still to be written."""
        ...


class TensorBoard:
    """Event files in ``tensorboard/`` of the run's folder, by tokens.

    Each process writes all of the run's checkpoints anew, and tells TensorBoard to forget what stood before: a run
    that was killed has no point twice.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboardX import SummaryWriter

        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=0)

    def log(self, tokens: int, values: dict[str, float]) -> None:
        """Take the values of a checkpoint."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, global_step=tokens)
        self.writer.flush()

    def close(self) -> None:
        """Write what is still to be written."""
        self.writer.close()


class WeightsAndBiases:
    """A W&B run with the run's id, which resumes with the run; in the project the user has set, or ``calque``.

    Parameters
    ----------
    run : RunConfig
        Which run.
    folder : Path
        The run's folder.
    """

    def __init__(self, run: RunConfig, folder: Path) -> None:
        import wandb

        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "calque"), name=run.name, id=run.run_id, resume="allow",
            config=run.to_dict(), dir=str(folder),
        )  # fmt: skip
        self.run.define_metric("*", step_metric="tokens")
        self.logged = int(self.run.summary.get("tokens") or -1)

    def log(self, tokens: int, values: dict[str, float]) -> None:
        """Take the values of a checkpoint that is not there yet.

        Parameters
        ----------
        tokens : int
            Position in training.
        values : dict of str to float
            By name of the curve.
        """
        if tokens > self.logged:
            self.run.log({"tokens": tokens, **values})
            self.logged = tokens

    def close(self) -> None:
        """Write what is still to be written."""
        self.run.finish()


def wandb_is_set_up() -> bool:
    """Return whether the user wants W&B: the package is there and the environment speaks of it."""
    return importlib.util.find_spec("wandb") is not None and any(os.environ.get(name) for name in WANDB_VARIABLES)


@contextmanager
def tracked(run: RunConfig, folder: Path) -> Iterator[Callable[[dict[str, float]], None]]:
    """Give what ``calque.sweeps.trial.trial.run_trial`` calls after every checkpoint.

    A tracker that fails is told of once and left out: no run ends because of it.

    Parameters
    ----------
    run : RunConfig
    folder : Path
        The run's.
    """
    with ExitStack() as stack:
        trackers: list[Tracker] = []
        makers: list[Callable[[], Tracker]] = [lambda: TensorBoard(folder)]
        if wandb_is_set_up():
            makers.append(lambda: WeightsAndBiases(run, folder))

        def tell(metrics: dict[str, Any]) -> None:
            only: int | None = int(metrics["tokens"])
            while makers:  # not before the first checkpoint: the folder may be another run's until then
                only = None
                made = _kept(makers.pop(0))
                if made is not None:
                    trackers.append(made)
                    stack.callback(_kept, made.close)
            for tracker in list(trackers):
                if not _kept(partial(_log, tracker, folder, only)):
                    trackers.remove(tracker)

        yield tell


def _log(tracker: Tracker, folder: Path, only: int | None) -> bool:
    """Log the checkpoint at ``only`` tokens, or all that are there."""
    by_tokens: dict[int, dict[str, float]] = {}
    for name, curve in curves_of(folder).items():
        for tokens, value in zip(curve.tokens, curve.values, strict=True):
            by_tokens.setdefault(int(tokens), {})[name] = float(value)
    for tokens in sorted(by_tokens):
        if only in (None, tokens):
            tracker.log(tokens, by_tokens[tokens])
    return True


def _kept(call: Callable[[], Any]) -> Any:
    """Return what the call gives, None when it fails, which is told."""
    try:
        return call()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        print(f"tracking failed ({reason}); the run goes on without it", file=sys.stderr, flush=True)
        return None

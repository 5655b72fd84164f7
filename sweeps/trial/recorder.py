"""What a checkpoint does: the model is scored, its row goes into ``run.nc``, and the progress file says so."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future
from typing import Any

import numpy as np
import xarray as xr

from calque.data import cube
from calque.data.answers import AnswersFile, LoggedAnswer
from calque.data.cube.run_file import RunFile
from calque.data.metrics import VARIABLES
from calque.data.quantities import plural
from calque.models.checkpoints.state import drop_states_from
from calque.models.decoder.decoder import Decoder
from calque.models.scoring.scorer import Scorer
from calque.models.scoring.share import ALONE, Share
from calque.models.training.loop import Progress
from calque.models.training.loss_tokens import LossTokens
from calque.models.training.monitoring.step_log import StepLog
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.trial import adaptive
from calque.sweeps.trial.adaptive import AdaptiveSteps
from calque.sweeps.trial.probing import ATTRIBUTION, CheckpointProbes, RunAttribution
from calque.sweeps.trial.request import Report, TrialRequest
from calque.sweeps.trial.scoring import probed_at, scored_at
from calque.sweeps.watch.curves import curves_from, write_curves

LOG = logging.getLogger("calque")
POSITION_DIMS: dict[str, tuple[str, ...]] = {"tokens": (), "flops": (), "loss_tokens": (), "checkpoint_sha256": ()}
ROW_DIMS = POSITION_DIMS | VARIABLES
"""Variables of a checkpoint, and their dimensions after (run, checkpoint)."""


def row_dims(with_adaptive: bool) -> dict[str, tuple[str, ...]]:
    """Return the variables of a checkpoint and their dimensions; ``with_adaptive`` adds :data:`adaptive.DIMS`."""
    return ROW_DIMS | (adaptive.DIMS if with_adaptive else {})


class CheckpointRecorder:
    """Records the checkpoints of one run; lives on the process of rank 0.

    Parameters
    ----------
    request : TrialRequest
    scorer : Scorer
    file : RunFile
        The run's cube; checkpoints in it with the same weights are not scored again.
    adaptive_steps : AdaptiveSteps, optional
        None where the run has planned checkpoints alone.
    flops_per_token : float
        Of training.
    step_log : StepLog
        Of this run: what its steps came to goes into the timing of a checkpoint.
    report : callable
        Called after every checkpoint.
    answers : AnswersFile, optional
        Where logged answers go.
    probes : CheckpointProbes, optional
        What is probed of the model's heads.
    attribution : RunAttribution, optional
        What is attributed to the training text.
    share : Share
        Of rank 0 in scoring; the other processes of the run take theirs in :func:`score_along`.

    Attributes
    ----------
    loss_tokens : LossTokens
        To be given to training, which counts with it.
    """

    def __init__(
        self, request: TrialRequest, *, scorer: Scorer, file: RunFile, adaptive_steps: AdaptiveSteps | None,
        flops_per_token: float, step_log: StepLog, report: Report, answers: AnswersFile | None = None,
        probes: CheckpointProbes | None = None, attribution: RunAttribution | None = None, share: Share = ALONE,
    ) -> None:  # fmt: skip
        self.share, self.probes, self.attribution, self.step_log = share, probes, attribution, step_log
        self.request, self.scorer, self.file, self.adaptive_steps = request, scorer, file, adaptive_steps
        self.flops_per_token, self.report, self.answers = flops_per_token, report, answers
        self.loss_tokens = LossTokens(request.config.training)
        self.planned = request.config.checkpoint_steps()

    def known_steps(self) -> tuple[int, ...]:
        """Return the steps of all checkpoints known by now: the planned ones and those decided so far."""
        return self.planned if self.adaptive_steps is None else self.adaptive_steps.all()

    def go_back(self) -> None:
        """Remove states beyond the rows: training then goes on from the newest state whose checkpoints all have rows.

        Rows are missing where ``run.nc`` was damaged, or an older one was put in its place. What was found and done is
        noted in the progress file.
        """
        missing = next((step for step in self.known_steps() if step not in self.file.rows), None)
        dropped = [] if missing is None else drop_states_from(self.request.folder / "states", missing)
        note = self.file.note
        if dropped:
            note = f"{note or 'run.nc is older than the states'}; training is repeated from before step {missing}"
            LOG.warning("run '%s': %s (states of steps %s were removed)", self.request.config.name, note, dropped)
        if self.file.rows:
            self._write_curves()
        if note:
            self.request.update_progress(note=note)

    def on_checkpoint(self, step: int, model: Decoder, sha256: Future[str], training_seconds: float) -> None:
        """Score a checkpoint, unless its row stands already, and tell of it.

        Parameters
        ----------
        step : int
            Optimizer steps taken.
        model : Decoder
            In evaluation mode, with exactly the weights that are stored.
        sha256 : future of str
            Of the file with these weights.
        training_seconds : float
            Since the checkpoint before.
        """
        tokens = step * self.request.config.training.tokens_per_step
        if self.share.told(step not in self.file.rows or not self.file.has(step, sha256.result())):
            began = time.monotonic()
            row = self._row(step, tokens, model, sha256)
            seconds = {"training_seconds": training_seconds, "scoring_seconds": time.monotonic() - began}
            before = max((known for known in self.file.rows if known < step), default=-1)
            seconds |= self.step_log.summary(before, step)
            parts, began = dict[str, xr.Dataset](), time.monotonic()
            if self.probes is not None and probed_at(self.request.config, step):
                parts |= self.probes(model, sha256.result())
                seconds["probing_seconds"] = time.monotonic() - began
            if self.attribution is not None and (found := self.attribution.row(sha256.result())) is not None:
                parts[ATTRIBUTION] = found
                seconds["attribution_seconds"] = self.attribution.observer.seconds
            self.file.put(step, row, seconds, parts)
            self._write_curves()
        loss, known = float(np.nanmean(self.file.rows[step]["loss"])), self.known_steps()
        self.request.update_progress(
            tokens=tokens, loss=loss, state="training", checkpoints=sum(s in self.file.rows for s in known),
            total_checkpoints=len(known),
        )  # fmt: skip
        self.report({"step": step, "tokens": tokens, "loss": loss})

    def _write_curves(self) -> None:
        timing = self.file.timing_dataset() if self.file.timing else None
        write_curves(self.request.folder, curves_from(cube.describe(self.file.dataset()), timing))

    def _row(self, step: int, tokens: int, model: Decoder, sha256: Future[str]) -> dict[str, Any]:
        pairs, logprobs = scored_at(self.request.config, step)
        said: list[LoggedAnswer] = []
        keep = None if self.answers is None else said.append
        row: dict[str, Any] = {
            "tokens": float(tokens), "flops": float(tokens * self.flops_per_token),
            "loss_tokens": float(self.loss_tokens.so_far(step)),
            **self.scorer(model, pairs=pairs, logprobs=logprobs, keep=keep, share=self.share),
            "checkpoint_sha256": sha256.result(),
        }  # fmt: skip
        if self.answers is not None:  # before the row: where a kill comes between, both are made again
            name = self.request.config.name
            self.answers.put(f"step-{step}", said, run=name, step=step, tokens=tokens, sha256=sha256.result())
        return row if self.adaptive_steps is None else row | self.adaptive_steps.row(step, row)

    def on_progress(self, progress: Progress) -> None:
        """Write the ``progress`` of training between checkpoints."""
        self.request.update_progress(
            state="training", tokens=progress.tokens, loss=progress.loss, tokens_per_second=progress.tokens_per_second
        )

    def finish(self) -> None:
        """Mark the run as done.

        Raises
        ------
        RuntimeError
            When a checkpoint has no row.
        """
        known = self.known_steps()
        missing = [step for step in known if step not in self.file.rows]
        if missing:
            raise RuntimeError(
                f"{plural(len(missing), 'checkpoint is', 'checkpoints are')} missing at the end, the first at step "
                f"{missing[0]}"
            )
        self.request.folder.joinpath("error.txt").unlink(missing_ok=True)
        self.request.update_progress(state="done", checkpoints=len(known), total_checkpoints=len(known))


def score_along(config: RunConfig, scorer: Scorer, share: Share, step: int, model: Decoder) -> None:
    """Score the ``share`` of a process other than rank 0 of a checkpoint, unless its row stands already.

    Parameters
    ----------
    config : RunConfig
    scorer : Scorer
        Equal to that of rank 0.
    share : Share
    step : int
        Of the checkpoint.
    model : Decoder
        In evaluation mode, with exactly the weights that are stored.
    """
    if share.told(False):
        pairs, logprobs = scored_at(config, step)
        scorer(model, pairs=pairs, logprobs=logprobs, share=share)

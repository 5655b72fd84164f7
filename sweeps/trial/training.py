"""Train one run in this process: prepare what is trained, record its checkpoints, train to the end."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial

import torch

from calque.data.cube.run_file import RunFile
from calque.data.shards.opening import OpeningSampler
from calque.data.shards.sampler import Sampler
from calque.models.decoder.decoder import Decoder
from calque.models.scoring.selection import logged
from calque.models.scoring.share import Share
from calque.models.training import loop, strategy
from calque.models.training.monitoring.step_log import StepLog
from calque.sweeps.prepare.prepare import RunData, prepare, sampler_of
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.trial import provenance
from calque.sweeps.trial.adaptive import AdaptiveSteps
from calque.sweeps.trial.answers import open_answers
from calque.sweeps.trial.branching import beginning
from calque.sweeps.trial.probing import ATTRIBUTION, attribution_of, probes_of
from calque.sweeps.trial.recorder import CheckpointRecorder, row_dims, score_along
from calque.sweeps.trial.request import Report, TrialRequest
from calque.sweeps.trial.run_cube import static_part
from calque.sweeps.trial.scoring import scorer_of
from calque.sweeps.trial.stopping import StopSignal


@dataclass(frozen=True, kw_only=True)
class TrainingInputs:
    """What is trained, and on what.

    Attributes
    ----------
    data : RunData
    decoder : Decoder
        With its initial weights.
    sampler : Sampler or OpeningSampler
        Of the training batches.
    """

    data: RunData
    decoder: Decoder
    sampler: Sampler | OpeningSampler


def train_run(request: TrialRequest, report: Report, stop: StopSignal) -> None:
    """Train and score a run, resuming from its newest state; every process of a run calls this.

    Rank 0 writes the files; all processes share the scoring of the checkpoints.

    Parameters
    ----------
    request : TrialRequest
    report : callable
        Called after every checkpoint, on rank 0.
    stop : StopSignal
        Asked after every step. Until training begins it ends the process at once.

    Raises
    ------
    StoppedError
        When training was stopped; its state is on disk.
    UserError, FloatingPointError, RuntimeError
        As ``calque.models.training.loop.train`` and :func:`prepare_inputs`, and when a checkpoint has no row at the
        end.
    """
    first = strategy.rank() == 0
    if first:
        request.update_progress(state="preparing", message="", tokens_per_second=None)  # a rate of before is none
    inputs = prepare_inputs(request.config)
    recorder = open_recorder(request, inputs, report) if first else None
    if recorder is not None:
        recorder.go_back()
    stop.at_once = False  # from here on a step is finished and a state is kept
    _train(request, inputs, recorder, stop)
    if recorder is not None:
        recorder.finish()


def prepare_inputs(config: RunConfig) -> TrainingInputs:
    """Return data, untrained model and batches of the run ``config``; data are prepared where they are missing.

    Raises
    ------
    UserError
        When the data cannot be had.
    """
    torch.set_num_threads(config.training.threads)
    data = prepare(config)
    decoder = Decoder(config.decoder(data.shards.vocabulary), drawn=False)  # training draws or loads its weights
    return TrainingInputs(data=data, decoder=decoder, sampler=sampler_of(config, data))


def open_recorder(request: TrialRequest, inputs: TrainingInputs, report: Report) -> CheckpointRecorder:
    """Open the run's cube, or create it, and return the recorder of its checkpoints.

    Parameters
    ----------
    request : TrialRequest
    inputs : TrainingInputs
    report : callable
        Called after every checkpoint.

    Raises
    ------
    UserError
        When the file is another run's, or its record of adaptive checkpoints is damaged.
    """
    config, shape = request.config, inputs.decoder.config
    scorer = scorer_of(config, inputs.data, log=logged(config.evaluation.log_answers, 0))
    static = static_part(
        config, inputs.data, sampler=inputs.sampler, decoder=shape, scorer=scorer,
        study_yaml=request.study_yaml,
    ).assign_coords(environment_json=("run", [provenance.note(request.folder)]))  # fmt: skip
    with_adaptive = config.checkpoints.adaptive is not None
    probes = probes_of(config, inputs.data, scorer.words)
    attribution = attribution_of(config, inputs.data, inputs.sampler)
    said = {**(probes.attributes if probes else {}), **({ATTRIBUTION: attribution.attributes} if attribution else {})}
    file = RunFile(request.folder / "run.nc", static, row_dims(with_adaptive), said)
    steps = None
    if with_adaptive:
        n = shape.n_params_non_embedding
        steps = AdaptiveSteps.of_run(config, n, file, request.results, request.adaptive_record)
    return CheckpointRecorder(
        request, scorer=scorer, file=file, adaptive_steps=steps,
        flops_per_token=shape.flops_per_token(config.training.context), report=report,
        step_log=StepLog(request.folder, shape, config.training),
        answers=open_answers(request.folder, config), probes=probes, attribution=attribution,
        share=share_of(config),
    )  # fmt: skip


def share_of(config: RunConfig) -> Share:
    """Return the share of this process in the scoring of the run ``config``."""
    return Share(rank=strategy.rank(), processes=config.training.devices)


def _train(
    request: TrialRequest, inputs: TrainingInputs, recorder: CheckpointRecorder | None, stop: StopSignal
) -> None:
    config = request.config
    steps, folder = config.checkpoint_steps(), request.folder
    kept, begin_from = request.kept_states(), beginning(request)
    begins = sorted({inputs.data.encoding.begin(code) for code in inputs.data.task.languages})
    if recorder is None:
        # all processes of a run have this callback or none; rank 0 alone is asked
        further: loop.Further | None = None if config.checkpoints.adaptive is None else (lambda step: ())
        loop.train(
            inputs.decoder, config.training, inputs.sampler, steps, folder, lambda *checkpoint: None, stop=stop,
            further=further, along=partial(score_along, config, scorer_of(config, inputs.data), share_of(config)),
            keep_states=kept, begin_from=begin_from, begins=begins, init_seed=config.init_seed,
        )  # fmt: skip
        return
    with closing(recorder.step_log) as step_log:
        loop.train(
            inputs.decoder, config.training, inputs.sampler, steps, folder, recorder.on_checkpoint,
            recorder.on_progress, stop=stop,
            further=None if recorder.adaptive_steps is None else recorder.adaptive_steps.further,
            loss_tokens=recorder.loss_tokens, step_log=step_log, keep_states=kept, begin_from=begin_from,
            begins=begins, init_seed=config.init_seed,
            observer=None if recorder.attribution is None else recorder.attribution.observer,
        )  # fmt: skip

"""One run in this process: prepare its data, train, score every checkpoint into its cube. Needs no Ray."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from calque.data.cube import code_version
from calque.data.cube.run_file import RunFile
from calque.data.errors import STORAGE, UserError, file_error
from calque.data.locks import locked
from calque.data.metrics import VARIABLES
from calque.data.shards.sampler import Sampler
from calque.data.words.properties import item_properties
from calque.models.decoder.decoder import Decoder
from calque.models.training import loop as training
from calque.models.training import strategy, workers
from calque.sweeps.prepare.prepare import Prepared, prepare, sampler_of
from calque.sweeps.results.progress import RunProgress, read_progress, run_folder, write_progress
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.trial import adaptive, provenance
from calque.sweeps.trial.adaptive import AdaptiveSteps
from calque.sweeps.trial.scoring import asked_at, scorer_of
from calque.sweeps.trial.stopping import TerminatedError, Wish, stop_wished

LOCK_WAIT = 30.0
ROW_DIMS: dict[str, tuple[str, ...]] = {"tokens": (), "flops": (), "checkpoint_sha256": (), **VARIABLES}
Report = Callable[[dict[str, float]], None]


def run_trial(
    config: RunConfig, results: Path, study_yaml: str = "", report: Report = lambda metrics: None,
    recorded: str | None = None,
) -> RunProgress:  # fmt: skip
    """Run one configuration to its end, going on from where it stood; return its standing.

    An error of the run itself (such as a loss that is not finite) is recorded as ``failed`` with its traceback in
    ``error.txt`` and does not raise, because trying again would repeat it; a killed process leaves its last state.
    SIGTERM keeps a full state after the step being taken and ends the process.

    Parameters
    ----------
    config : RunConfig
    results : Path
        The study's folder; this run writes to ``runs/NAME`` in it.
    study_yaml : str
        The study file's text, kept in the cube.
    report : callable
        Called with step, tokens and loss after every checkpoint.
    recorded : str, optional
        The record of another run's adaptive checkpoints (``calque.phases.adaptive.record``), to be repeated.

    Raises
    ------
    UserError
        When the user can mend it: a full disk, unreadable data, a run that is already running. Recorded too.
    SystemExit
        After SIGTERM.
    """
    folder = run_folder(results, config)
    if strategy.rank() > 0:
        try:
            _run(config, results, study_yaml, report, recorded)
        except (training.StoppedError, TerminatedError) as stopped:  # the first process tells of it
            raise SystemExit(1) from stopped
        return read_progress(results, config)
    with locked(folder / ".lock", f"run '{config.name}'", wait=LOCK_WAIT):
        try:
            if config.training.devices > strategy.world_size() == 1:
                _run_shared(config, results, study_yaml, recorded)
            else:
                _run(config, results, study_yaml, report, recorded)
        except UserError as error:
            record_failure(config, results, error)
            raise
        except (training.StoppedError, TerminatedError) as stopped:
            message = _record_stop(config, results, stopped)
            print(f"run '{config.name}': {message}; run the same again to go on", file=sys.stderr, flush=True)
            raise SystemExit(1) from stopped
        except OSError as error:
            record_failure(config, results, error)
            if error.errno not in STORAGE:
                return read_progress(results, config)
            raise file_error(error, what=error.filename or folder) from error
        except (Exception, SystemExit) as error:
            record_failure(config, results, error)
    return read_progress(results, config)


def record_failure(config: RunConfig, results: Path, error: BaseException) -> None:
    """Say in the run's folder that and why it failed; a full disk must not hide the reason itself."""
    message = " ".join(f"{error}".split()) or type(error).__name__
    with contextlib.suppress(OSError):
        write_progress(results, config, replace(read_progress(results, config), state="failed", message=message))
        (run_folder(results, config) / "error.txt").write_text(traceback.format_exc())


def _record_stop(config: RunConfig, results: Path, stopped: BaseException) -> str:
    """Say in the run's folder where SIGTERM stopped it, unless one of its processes has; return what stands there."""
    standing = read_progress(results, config)
    message = f"{stopped} by SIGTERM"
    if standing.state not in ("waiting", "done"):
        write_progress(results, config, replace(standing, state="waiting", message=message))
        return message
    return standing.message or message


def _run_shared(config: RunConfig, results: Path, study_yaml: str, recorded: str | None) -> None:
    """Run in as many processes as devices; when one dies all begin again from the newest state."""
    write_progress(results, config, replace(read_progress(results, config), state="preparing", message=""))
    with stop_wished(at_once=True):
        prepare(config)
        workers.launch(_work, config.training.devices, config, results, study_yaml, recorded)


def _work(config: RunConfig, results: Path, study_yaml: str, recorded: str | None) -> None:
    """One of the processes of a run. An error of the run itself is recorded and not tried again."""
    if read_progress(results, config).state == "failed":
        return
    try:
        _run(config, results, study_yaml, lambda metrics: None, recorded)
    except (training.StoppedError, TerminatedError) as stopped:
        if strategy.rank() == 0:
            _record_stop(config, results, stopped)
        raise SystemExit(1) from stopped
    except Exception as error:
        if strategy.rank() == 0:
            record_failure(config, results, error)
        raise


def _run(config: RunConfig, results: Path, study_yaml: str, report: Report, recorded: str | None) -> None:
    with stop_wished(at_once=True, patient=config.training.devices > 1) as stop:
        _train(config, results, study_yaml, report, recorded, stop)


def _train(config: RunConfig, results: Path, study_yaml: str, report: Report, recorded: str | None, stop: Wish) -> None:
    first = strategy.rank() == 0
    if first:
        standing = read_progress(results, config)
        write_progress(results, config, replace(standing, state="preparing", message=""))
    torch.set_num_threads(config.training.threads)
    prepared = prepare(config)
    decoder = Decoder(config.decoder(prepared.shards.vocabulary), seed=config.init_seed)
    sampler = sampler_of(config, prepared)
    steps, is_adaptive = config.checkpoint_steps(), config.checkpoints.adaptive is not None
    if not first:  # the first process scores, decides and writes
        stop.at_once = False
        training.train(
            decoder, config.training, sampler, steps, run_folder(results, config), lambda *checkpoint: None, stop=stop,
            further=(lambda step: ()) if is_adaptive else None,
        )  # fmt: skip
        return
    scorer = scorer_of(config, prepared)
    static = static_part(config, prepared, sampler, decoder, scorer.pairs.phenomena, study_yaml)
    folder = run_folder(results, config)
    static = static.assign_coords(environment_json=("run", [provenance.note(folder)]))
    file = RunFile(folder / "run.nc", static, ROW_DIMS | (adaptive.DIMS if is_adaptive else {}))
    n = decoder.config.n_params_non_embedding
    extra = AdaptiveSteps.of_run(config, n, file, results, recorded) if is_adaptive else None

    def known() -> tuple[int, ...]:
        return steps if extra is None else extra.all()

    flops = decoder.config.flops_per_token(config.training.context)

    def on_checkpoint(step: int, model: Decoder, sha256: Future[str], seconds: float) -> None:
        tokens = step * config.training.tokens_per_step
        if step not in file.rows or not file.has(step, sha256.result()):
            began = time.monotonic()
            row: dict[str, Any] = {"tokens": float(tokens), "flops": float(tokens * flops)}
            pairs, logprobs = asked_at(config, step)
            row |= {**scorer(model, pairs=pairs, logprobs=logprobs), "checkpoint_sha256": sha256.result()}
            if extra is not None:
                row |= extra.row(step, row)
            file.put(step, row, {"training_seconds": seconds, "scoring_seconds": time.monotonic() - began})
        loss = float(np.nanmean(file.rows[step]["loss"]))
        now = replace(
            read_progress(results, config), tokens=tokens, loss=loss, state="training",
            checkpoints=sum(s in file.rows for s in known()), total_checkpoints=len(known()),
        )  # fmt: skip
        write_progress(results, config, now)
        report({"step": step, "tokens": tokens, "loss": loss})

    def on_progress(progress: training.Progress) -> None:
        now = read_progress(results, config)
        write_progress(
            results, config,
            replace(now, state="training", tokens=progress.tokens, loss=progress.loss,
                  tokens_per_second=progress.tokens_per_second),
        )  # fmt: skip

    stop.at_once = False  # from here on a step is finished and a state kept
    training.train(
        decoder, config.training, sampler, steps, folder, on_checkpoint, on_progress, stop=stop,
        further=None if extra is None else extra.further,
    )  # fmt: skip
    missing = [step for step in known() if step not in file.rows]
    if missing:
        raise RuntimeError(f"{len(missing)} checkpoints are missing at the end, the first at step {missing[0]}")
    folder.joinpath("error.txt").unlink(missing_ok=True)
    now = replace(read_progress(results, config), checkpoints=len(known()), total_checkpoints=len(known()))
    write_progress(results, config, replace(now, state="done"))


def static_part(
    config: RunConfig, prepared: Prepared, sampler: Sampler, decoder: Decoder, phenomena: tuple[str, ...],
    study_yaml: str,
) -> xr.Dataset:  # fmt: skip
    """Return the part of a run's cube that no checkpoint changes: coordinates, what is asked, provenance."""
    task = prepared.task
    languages, concepts = list(task.languages), list(task.concepts)
    mix = prepared.mix
    per_run = {
        "size": config.size, "n_params": decoder.config.n_params,
        "n_params_non_embedding": decoder.config.n_params_non_embedding, "corpus": config.corpus, "mix": mix.name,
        "template": task.template,
        "init_seed": config.init_seed, "data_seed": config.data_seed, "run_id": config.run_id,
        "config_json": json.dumps(config.to_dict(), sort_keys=True), "torch_version": torch.__version__,
        "shards_sha256": prepared.shards.sha256, "tokenizer_sha256": prepared.shards.tokenizer_sha256,
        "rows_json": json.dumps(sampler.drawn(config.training.steps)),
    }  # fmt: skip
    return xr.Dataset(
        {
            "share": (("run", "language"), [[mix.shares.get(code, 0.0) for code in languages]]),
            **{
                name: (("run", "language"), [[measured.get(code, {}).get(name, math.nan) for code in languages]])
                for name in ("tokens_per_word", "bytes_per_token")
                if (measured := prepared.shards.fertility)
            },
            **item_properties(task, prepared.encoding),
        },
        coords={
            "run": [config.name], "language": languages, "source": languages, "target": languages,
            "concept": concepts, "phenomenon": list(phenomena),
            **{name: ("run", [value]) for name, value in per_run.items()},
        },
        attrs={"run_id": config.run_id, "study_yaml": study_yaml, "code_version": code_version()},
    )  # fmt: skip

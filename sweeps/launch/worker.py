"""What a process of the cluster does for one run: train in its folder, and outlast a root that is gone for a while."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from calque.data.errors import UserError
from calque.sweeps.launch import attempts
from calque.sweeps.results.progress import read_progress, run_folder
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.run_config import RunConfig

SECONDS_OF_PATIENCE = 900.0
FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0


def work(trial: dict[str, Any]) -> None:
    """Bring one run to its end or record why it failed; what cannot be recorded is raised.

    Parameters
    ----------
    trial : dict
        ``run`` (as ``RunConfig.to_dict``), ``place`` of the results, ``study_yaml``, ``launch_id``, and ``gpus``.
    """
    if not trial["gpus"]:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves all to a task that asked for none
    run = RunConfig.from_dict(trial["run"])
    waited, wait, counted = 0.0, FIRST_WAIT, False
    while True:
        began = time.monotonic()
        try:
            with ResultsRoot(trial["place"]).working(run) as results:
                if read_progress(results, run).state == "done":  # the process before this one died after its work
                    return
                if not counted and not _begin(run, results, trial["launch_id"]):
                    return
                counted = True
                _train(run, results, trial["study_yaml"])
            return
        except OSError as error:
            if time.monotonic() - began > LONGEST_WAIT:  # it went well for a while: this trouble is a new one
                waited, wait = 0.0, FIRST_WAIT
            if waited >= SECONDS_OF_PATIENCE:
                raise
            print(f"run '{run.name}': {error}; trying again in {wait:g} s", file=sys.stderr, flush=True)
            time.sleep(wait)
            waited += wait
            wait = min(2 * wait, LONGEST_WAIT)


def lead(trial: dict[str, Any], start: Callable[[], None]) -> None:
    """Bring a run of several processes to its end or record why it failed.

    Parameters
    ----------
    trial : dict
        As of :func:`work`; ``place`` is a folder that all nodes see.
    start : callable
        Starts the processes and waits for them; raises when one of them ends early.
    """
    run, results = RunConfig.from_dict(trial["run"]), Path(trial["place"])
    if read_progress(results, run).state == "done" or not _begin(run, results, trial["launch_id"]):
        return
    try:
        start()
    except Exception:
        if read_progress(results, run).state != "failed":  # a process died: the trial is tried again
            raise


def member(trial: dict[str, Any]) -> None:
    """Do one process's part of a run of several; the environment says which, as ``torchrun`` sets it.

    Raises
    ------
    RuntimeError
        In the first process when the run failed, which it has recorded: the others would wait for it in vain.
    """
    from calque.models.training.strategy import rank
    from calque.sweeps.trial.trial import run_trial
    from calque.sweeps.watch.trackers import tracked

    run, results = RunConfig.from_dict(trial["run"]), Path(trial["place"])
    if rank() > 0:
        run_trial(run, results, trial["study_yaml"])
        return
    with tracked(run, run_folder(results, run)) as report:
        standing = run_trial(run, results, trial["study_yaml"], report)
    if standing.state != "done":
        raise RuntimeError(standing.message or f"run '{run.name}' ended before its end")


def _begin(run: RunConfig, results: Path, launch_id: str) -> bool:
    """Count this process; return whether the run is worth another try, and record it where it is not."""
    from calque.sweeps.trial.trial import record_failure

    try:
        attempts.begin(run_folder(results, run), launch_id)
    except UserError as error:
        record_failure(run, results, error)
        return False
    return True


def _train(run: RunConfig, results: Path, study_yaml: str) -> None:
    from calque.sweeps.trial.trial import run_trial
    from calque.sweeps.watch.trackers import tracked

    try:
        with tracked(run, run_folder(results, run)) as report:
            run_trial(run, results, study_yaml, report)
    except UserError as error:  # recorded in the run's progress file
        if isinstance(error.__cause__, OSError | RuntimeError):  # netCDF4 reports a full disk as RuntimeError
            raise OSError(str(error)) from error

"""What a process of the cluster does for one run: train it, and wait for a results root that is gone for a while."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from calque.data.errors import UserError
from calque.data.files import FolderGoneError
from calque.sweeps.launch import crash_loop
from calque.sweeps.launch.errors import ProcessDiedError
from calque.sweeps.launch.request import LaunchRequest
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.trial.request import TrialRequest

MAX_WAIT_SECONDS = 900.0
FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0
"""Seconds before the next try, which double from one to the other."""


def run_alone(request: LaunchRequest) -> None:
    """Train a run of one process to its end, or record why it failed.

    Parameters
    ----------
    request : LaunchRequest

    Raises
    ------
    OSError
        When the results root could not be written for ``MAX_WAIT_SECONDS``.
    """
    if not request.resources.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray shows all of them to a task that reserved none
    run = request.run
    waited, wait, counted = 0.0, FIRST_WAIT, False
    while True:
        began = time.monotonic()
        try:
            with ResultsRoot(request.place).working(run) as results:
                trial = request.trial(results)
                if trial.progress().state == "done":  # the process before this one died after its work
                    return
                if not counted and not _may_start(trial, request.launch_id):
                    return
                counted = True
                _train(trial)
            return
        except FolderGoneError:  # the launching process tells
            return
        except OSError as error:
            if time.monotonic() - began > LONGEST_WAIT:  # it went well for a while: this is a new fault
                waited, wait = 0.0, FIRST_WAIT
            if waited >= MAX_WAIT_SECONDS:
                raise
            print(f"run '{run.name}': {error}; trying again in {wait:g} s", file=sys.stderr, flush=True)
            time.sleep(wait)
            waited += wait
            wait = min(2 * wait, LONGEST_WAIT)


def run_processes(request: LaunchRequest, start: Callable[[], None]) -> None:
    """Bring a run of several processes to its end, or record why it failed.

    Parameters
    ----------
    request : LaunchRequest
        Its ``place`` is a folder that all nodes see.
    start : callable
        Starts the processes and waits for them; raises when one of them ends early, a ``ProcessDiedError`` when one
        died.
    """
    try:
        with ResultsRoot(request.place).working(request.run) as results:
            trial = request.trial(results)
            if trial.progress().state == "done" or not _may_start(trial, request.launch_id):
                return
            try:
                start()
            except ProcessDiedError:
                if trial.progress().state == "failed":  # by one that lost the dead one: the run itself is well
                    trial.update_progress(state="waiting", message="one of its processes died")
                raise
            except Exception:
                if trial.progress().state != "failed":  # a process died: Ray tries the trial again
                    raise
    except FolderGoneError:  # the launching process tells
        return


def run_rank(request: LaunchRequest) -> None:
    """Do one process's part of a run of several; the environment tells its rank, as ``torchrun`` sets it.

    Parameters
    ----------
    request : LaunchRequest

    Raises
    ------
    RuntimeError
        On rank 0 when the run failed, which it has recorded: the other processes would wait for it for ever.
    """
    from calque.models.training.strategy import rank
    from calque.sweeps.trial.trial import run_trial
    from calque.sweeps.watch.trackers import tracked

    with ResultsRoot(request.place).working(request.run) as results:
        trial = request.trial(results)
        if rank() > 0:
            run_trial(trial)
            return
        with tracked(trial.config, trial.folder) as report:
            standing = run_trial(trial, report)
    if standing.state != "done":
        raise RuntimeError(standing.message or f"run '{trial.config.name}' ended before its end")


def _may_start(trial: TrialRequest, launch_id: str) -> bool:
    """Count this process; return whether the run is worth another try, and record it as failed where it is not."""
    try:
        crash_loop.count_start(trial.folder, launch_id)  # before torch is imported, which may be the death of it
    except FolderGoneError:
        raise
    except UserError as error:
        trial.update_progress(state="failed", message=str(error))
        return False
    return True


def _train(trial: TrialRequest) -> None:
    from calque.sweeps.trial.trial import run_trial
    from calque.sweeps.watch.trackers import tracked

    try:
        with tracked(trial.config, trial.folder) as report:
            run_trial(trial, report)
    except FolderGoneError:
        raise
    except UserError as error:  # recorded in the run's progress file
        if isinstance(error.__cause__, OSError | RuntimeError):  # netCDF4 reports a full disk as RuntimeError
            raise OSError(str(error)) from error

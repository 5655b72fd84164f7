"""What a process of the cluster does for one run: train it, and wait for a results root that is gone for a while."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from calque.data.errors import UserError
from calque.data.files import FolderGoneError
from calque.sweeps.launch import crash_loop
from calque.sweeps.launch.errors import ProcessDiedError
from calque.sweeps.launch.installed import installed
from calque.sweeps.launch.request import LaunchRequest
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.trial.branching import fetch_beginning
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
            root = ResultsRoot(request.place)
            with root.working(run) as results:
                fetch_beginning(root, run, results)
                trial = request.trial(results)
                if trial.progress().state == "done":  # the process before this one died after its work
                    return
                if not counted and not _may_start(trial, request):
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


def run_processes(request: LaunchRequest, start: Callable[[Path], None]) -> None:
    """Bring a run of several processes to its end, or record why it failed.

    Parameters
    ----------
    request : LaunchRequest
        Its ``place`` is a folder that all nodes see, or an address: the processes then stand on this node, and work in
        a folder of it that is copied to the address from here.
    start : callable
        Starts the processes with the folder in which they work, and waits for them; raises when one of them ends
        early, a ``ProcessDiedError`` when one died.
    """
    try:
        root = ResultsRoot(request.place)
        with root.working(request.run) as results:
            fetch_beginning(root, request.run, results)
            trial = request.trial(results)
            if trial.progress().state == "done" or not _may_start(trial, request):
                return
            try:
                start(results)
            except ProcessDiedError:
                if trial.progress().state == "failed":  # by one that lost the dead one: the run itself is well
                    trial.update_progress(state="waiting", message="one of its processes died")
                raise
            except Exception:
                if trial.progress().state != "failed":  # a process died: Ray tries the trial again
                    raise
    except FolderGoneError:  # the launching process tells
        return


def run_rank(request: LaunchRequest, results: Path) -> None:
    """Do one process's part of a run of several; the environment tells its rank, as ``torchrun`` sets it.

    Parameters
    ----------
    request : LaunchRequest
    results : Path
        The folder in which the run's processes work.

    Raises
    ------
    RuntimeError
        On rank 0 when the run failed, which it has recorded: the other processes would wait for it for ever.
    """
    from calque.models.training.strategy import rank
    from calque.sweeps.trial.trial import run_trial
    from calque.sweeps.watch.trackers import tracked

    with ResultsRoot(request.place).kept(request.run):
        trial = request.trial(results)
        if not _is_same_code(trial, request):  # this node may be another than the leader's
            raise RuntimeError(trial.progress().message)
        if rank() > 0:
            run_trial(trial)
            return
        with tracked(trial.config, trial.folder) as report:
            standing = run_trial(trial, report)
    if standing.state != "done":
        raise RuntimeError(standing.message or f"run '{trial.config.name}' ended before its end")


def _is_same_code(trial: TrialRequest, request: LaunchRequest) -> bool:
    """Return whether this node has the code of the launch, and record the run as failed where it has not."""
    differs = request.code.difference(installed())
    if differs is not None:
        trial.update_progress(state="failed", message=differs)
    return differs is None


def _may_start(trial: TrialRequest, request: LaunchRequest) -> bool:
    """Count this process; return whether the run is worth another try, and record it as failed where it is not."""
    if not _is_same_code(trial, request):
        return False
    try:
        crash_loop.count_start(
            trial.folder, request.launch_id
        )  # before torch is imported, which may be the death of it
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

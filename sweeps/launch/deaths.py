"""Deaths of trials as the launching process sees them: counted where the dead could not, and told with their reason."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from calque.data.errors import UserError
from calque.data.files import FolderGoneError
from calque.sweeps.launch import crash_loop
from calque.sweeps.launch.request import LaunchRequest
from calque.sweeps.results.progress import read_progress, run_folder, write_progress
from calque.sweeps.results.root import ResultsRoot

MAX_RESTARTS = 100
"""Of one run, however far it got in between; ``calque.sweeps.launch.crash_loop`` counts deaths at one place."""
LOW_MEMORY, KILLED = "low on memory", "actor died unexpectedly"
"""Words of Ray for a process that it killed itself, and for one that something else killed."""


def death_counter(requests: Mapping[str, LaunchRequest]) -> Any:
    """Return a callback of Tune that counts the deaths of trials, and ends a run that dies again and again.

    Its attribute ``again`` holds the runs that Tune gave up after a death while their process was being made, which it
    never tries again, and that have not died often enough to be given up here.

    Parameters
    ----------
    requests : mapping of str to LaunchRequest
        By run.
    """
    from ray import tune

    class DeathCounter(tune.Callback):
        def __init__(self) -> None:
            self.again: list[str] = []

        def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            """Count a death; Tune has put the trial in its queue again already."""
            if take_death(requests[trial.config["run"]], reason_of(trial)):
                trial.max_failures = trial.run_metadata.num_failures  # one more is the last, should it not even start

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            """Count the death after which Tune does not start the trial again."""
            name = trial.config["run"]
            if not take_death(requests[name], reason_of(trial)) and trial.run_metadata.num_failures <= MAX_RESTARTS:
                self.again.append(name)

    return DeathCounter()


def take_death(request: LaunchRequest, reason: str) -> bool:
    """Count the death of a process of a run, and record the run as failed where it is given up; return whether it is.

    Parameters
    ----------
    request : LaunchRequest
        Of the run.
    reason : str
        How the process died, one line.
    """
    root, run = ResultsRoot(request.place), request.run
    print(f"run '{run.name}': its process died ({reason})", file=sys.stderr, flush=True)
    name = f"runs/{run.name}/{crash_loop.FILE}"
    try:
        root.fetch(name)
        given_up = crash_loop.count_death(run_folder(root.folder, run), request.launch_id, reason)
        root.publish(name)
        if given_up is not None:
            root.refresh([run])
            standing = replace(read_progress(root.folder, run), state="failed", message=str(given_up))
            write_progress(root.folder, run, standing)
            root.publish(f"runs/{run.name}/progress.json")
    except FolderGoneError:
        return True
    except (UserError, OSError):  # a root that cannot be written now: the next death is counted again
        return False
    return given_up is not None


def reason_of(trial: Any) -> str:
    """Return in one line how the last process of a trial of Tune ended.

    Parameters
    ----------
    trial : ray.tune.experiment.Trial
    """
    if trial.error_file is None or not Path(trial.error_file).is_file():
        return "the reason is not known"
    text = Path(trial.error_file).read_text(errors="replace").rpartition("Failure # ")[2].strip()
    if LOW_MEMORY in text:
        return "out of memory: Ray killed it because the node ran low"
    if KILLED in text:
        return "killed, as by signal 9 when a machine or a control group is out of memory"
    return " ".join(text.splitlines()[-1].split())[:120]

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

LOW_MEMORY = ("low on memory", "OutOfMemoryError", "out of memory")


def death_counter(requests: Mapping[str, LaunchRequest]) -> Any:
    """Return a callback of Tune that counts the deaths of trials, and ends a run that dies again and again.

    Parameters
    ----------
    requests : mapping of str to LaunchRequest
        By run.
    """
    from ray import tune

    class DeathCounter(tune.Callback):
        def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            """Count a death; Tune has put the trial in its queue again already."""
            if take_death(requests[trial.config["run"]], reason_of(trial)):
                trial.max_failures = trial.run_metadata.num_failures  # one more is the last, should it not even start

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            """Count the death after which Tune does not start the trial again."""
            take_death(requests[trial.config["run"]], reason_of(trial))

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
    from ray import cloudpickle
    from ray.exceptions import RayActorError, RayTaskError

    try:
        error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    except Exception as unreadable:  # whatever an exception's own class raises when it is made again
        return f"the reason is not known: {type(unreadable).__name__}"
    text = str(error)
    if any(words in text for words in LOW_MEMORY):
        return "out of memory: Ray killed it because the node ran low"
    if isinstance(error, RayTaskError) and not isinstance(error.cause, RayActorError):
        last = f"{type(error.cause).__name__}: {error.cause}" if error.cause is not None else text.strip()
        return " ".join(last.split())[:120]
    return "killed, as by signal 9 when a machine or a control group is out of memory"

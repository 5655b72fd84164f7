"""What a process of the cluster does for one run: train in its folder, and outlast a root that is gone for a while."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from data.errors import UserError
from sweeps import attempts
from sweeps.config import RunConfig
from sweeps.progress import read_progress, run_folder
from sweeps.root import ResultsRoot

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
    until, wait = time.monotonic() + SECONDS_OF_PATIENCE, FIRST_WAIT
    while True:
        try:
            with ResultsRoot(trial["place"]).working(run) as results:
                _train(run, results, trial["study_yaml"], trial["launch_id"])
            return
        except OSError as error:
            if time.monotonic() > until:
                raise
            print(f"run '{run.name}': {error}; trying again in {wait:g} s", file=sys.stderr, flush=True)
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)


def _train(run: RunConfig, results: Path, study_yaml: str, launch_id: str) -> None:
    from sweeps.trackers import tracked
    from sweeps.trial import record_failure, run_trial

    if read_progress(results, run).state == "done":  # the process died after its work
        return
    try:
        try:
            attempts.begin(run_folder(results, run), launch_id)
        except UserError as error:
            record_failure(run, results, error)
            return
        with tracked(run, run_folder(results, run)) as report:
            run_trial(run, results, study_yaml, report)
    except UserError as error:  # recorded in the run's progress file
        if isinstance(error.__cause__, OSError | RuntimeError):  # netCDF4 reports a full disk as RuntimeError
            raise OSError(str(error)) from error

"""Files of runs that are damaged: told at a glance, and runs that are done but have lost rows opened again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from calque.data import cube
from calque.data.cube.run_file import NAME
from calque.data.errors import DiskError, UserError
from calque.data.json_files import read_json_if_there
from calque.sweeps.results.collect import read_run
from calque.sweeps.results.progress import ENDED, RunProgress, read_progress, run_folder, write_progress
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.run_config import RunConfig

REMEDY = "sweeps run mends it: rows that are lost are trained again"


def damaged(results: Path, runs: Iterable[RunConfig]) -> dict[str, str]:
    """Return what is damaged, by run, as far as a glance tells: no cube is read.

    Parameters
    ----------
    results : Path
        The results folder.
    runs : iterable of RunConfig
    """
    found = {}
    for run in runs:
        folder = run_folder(results, run)
        progress = folder / "progress.json"
        if (folder / NAME).exists() and not cube.is_whole(folder / NAME):
            found[run.name] = f"{folder / NAME} is cut short or no cube; {REMEDY}"
        elif progress.exists() and read_json_if_there(progress, RunProgress) is None:
            found[run.name] = f"{progress} is damaged; {REMEDY}"
    return found


def unfinished(root: ResultsRoot, runs: Iterable[RunConfig]) -> list[RunConfig]:
    """Return the runs that are not done; one that says it is and has lost rows is opened again, with a note.

    The cubes of runs that are done are read for it.

    Parameters
    ----------
    root : ResultsRoot
        Its cubes are up to date here.
    runs : iterable of RunConfig
    """
    found = []
    for run in runs:
        standing = read_progress(root.folder, run)
        lost = _lost(root.folder, run, standing) if standing.state == "done" else None
        if lost is not None:
            note = f"it was done, and {lost}: it is opened again"
            write_progress(root.folder, run, replace(standing, state="waiting", note=note))
            root.publish(f"runs/{run.name}/progress.json")
        if lost is not None or standing.state not in ENDED:
            found.append(run)
    return found


def _lost(results: Path, run: RunConfig, standing: RunProgress) -> str | None:
    """Return what a run that is done has lost of its rows, None where they are whole."""
    try:
        found = read_run(results, run)
    except DiskError:
        raise
    except UserError as error:
        return str(error).partition(";")[0]
    if found is None:
        return f"{NAME} is missing"
    steps = {int(step) for step in np.asarray(found[0]["step"].values[0])}
    missing = len(set(run.checkpoint_steps()) - steps) or standing.total_checkpoints - len(steps)
    return f"{NAME} lacks {missing} of its checkpoints" if missing > 0 else None

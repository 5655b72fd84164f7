"""The answers of a study's runs, gathered beside its cube."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from calque.data.answers import answers_path, join_answers
from calque.sweeps.results.progress import run_folder
from calque.sweeps.study.run_config import RunConfig


def collect_answers(results: str | os.PathLike[str], runs: Iterable[RunConfig], cube: str | os.PathLike[str]) -> None:
    """Write the answers that the runs logged beside the study's cube; a run's that cannot be read are named.

    Parameters
    ----------
    results : path
        The results folder.
    runs : iterable of RunConfig
    cube : path
        The study's cube.
    """
    files = [answers_path(run_folder(Path(results), run) / "run.nc") for run in runs]
    there = [file for file in files if file.exists()]
    if not there:
        return
    for file, why in join_answers(there, answers_path(cube)).items():
        print(f"sweeps: answers of a run are left out: {why} ({file})", file=sys.stderr)

"""The answers of a run in training, beside its cube: ``run.answers.parquet``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from calque.data.answers import AnswersFile, answers_path
from calque.data.errors import DiskError, UserError
from calque.sweeps.study.run_config import RunConfig


def open_answers(folder: str | os.PathLike[str], config: RunConfig) -> AnswersFile | None:
    """Return the file of logged answers of the run ``config`` in its ``folder``; None where none are logged.

    A file that is damaged or holds answers to other items is begun anew, and that is said: answers are no reason to end
    a run.
    """
    amount = config.evaluation.log_answers
    if amount is None:
        return None
    path = answers_path(Path(folder) / "run.nc")
    sample = {"run_id": config.run_id, "log_answers": amount}
    try:
        return AnswersFile(path, sample)
    except DiskError:
        raise
    except UserError as error:
        print(f"run '{config.name}': {error}; its answers are begun anew", file=sys.stderr, flush=True)
        path.unlink()
        return AnswersFile(path, sample)

"""``trainer_state.json``, which the Trainer of transformers writes into every checkpoint: the log of the training.

Of a folder with several checkpoints the state of the last one is read, because it holds what the others hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.phases.formats.base import Array, Log, Request, brief, check_known, counts_steps
from calque.phases.formats.files import document, files_below, reading
from calque.phases.formats.parsing import JsonError, finite, parse_json

NAME = "trainer_state.json"
HISTORY = "log_history"
CHECKPOINT = "checkpoint-"


def read(request: Request) -> Log:
    """Return the rows of a trainer's log that have a wanted metric.

    Parameters
    ----------
    request : Request
        What to read; metrics are keys of ``log_history``; the position is ``step`` unless ``tokens`` names a key.

    Returns
    -------
    Log
        The rows.

    Raises
    ------
    UserError
        When a file is no trainer's state, or a key is unknown.
    """
    request.refuse("checkpoint", "the trainer logs the step")
    request.refuse("run", "a state is a run, called by its folder")
    request.refuse("coord", "a state holds no coordinates of runs; `run_pattern` takes them from the names of runs")
    request.refuse("shots", "only lm-eval tells shots")
    notes: list[str] = []
    states = _states(request.path, notes)
    position = request.tokens or "step"
    others = [n for n in (position, request.trials_column) if n]
    known = tuple(dict.fromkeys(key for rows in states.values() for row in rows for key in row))
    check_known((*request.metrics, *others), known, str(request.path), "key")
    runs, places, trials = list[np.ndarray](), list[Array](), list[Array]()
    values: dict[str, list[Array]] = {m: [] for m in request.metrics}
    for run, rows in states.items():
        columns = {
            n: finite([row.get(n) for row in rows], n, notes) for n in dict.fromkeys((*request.metrics, *others))
        }
        keep = np.any([np.isfinite(columns[m]) for m in request.metrics], axis=0)
        lost = keep & ~np.isfinite(columns[position])
        if lost.any():
            notes.append(f"run '{brief(run)}': {plural(int(lost.sum()), 'row')} without '{position}' left out")
        keep &= ~lost
        if not keep.any():
            notes.append(f"run '{brief(run)}' has no value of the metrics and is left out")
        runs.append(np.full(int(keep.sum()), run, object))
        places.append(columns[position][keep])
        trials.append(
            columns[request.trials_column][keep] if request.trials_column else np.full(int(keep.sum()), np.nan)
        )
        for m in request.metrics:
            values[m].append(columns[m][keep])
    if not sum(map(len, runs)):
        raise UserError(f"{request.path}: no row has both '{position}' and one of {', '.join(request.metrics)}")
    known_trials = request.trials_number if request.trials_column is None else np.concatenate(trials)
    return Log(
        run=np.concatenate(runs), place=np.concatenate(places), in_steps=counts_steps(position),
        values={m: np.concatenate(v) for m, v in values.items()},
        trials={} if known_trials is None else dict.fromkeys(request.metrics, known_trials), merge=True,
        notes=tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _states(path: Path, notes: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every run's last state, by the run's name."""
    files = [path] if path.is_file() else [p for p in files_below(path, notes) if p.name == NAME]
    if not files:
        raise UserError(f"{path} holds no {NAME}; expected a folder that the Trainer wrote and that is not empty")
    found: dict[str, tuple[float, list[dict[str, Any]]]] = {}
    count: dict[str, int] = {}
    for file in files:
        step, rows = _state(file)
        name = _name(file, path)
        count[name] = count.get(name, 0) + 1
        if name not in found or step > found[name][0]:
            found[name] = (step, rows)
    for name, n in count.items():
        if n > 1:
            notes.append(f"run '{brief(name)}' has {n} states; the last, at step {found[name][0]:.10g}, is read")
    return {name: rows for name, (_, rows) in found.items()}


def _name(file: Path, path: Path) -> str:
    folder = file.resolve().parent if path.is_file() else file.parent
    folder = folder.parent if folder.name.startswith(CHECKPOINT) and folder != path else folder
    if path.is_file():
        return folder.name or "run"
    name = folder.relative_to(path).as_posix()
    return path.resolve().name or "run" if name == "." else name


def _state(path: Path) -> tuple[float, list[dict[str, Any]]]:
    with reading(path, "the JSON of a Trainer"):
        text = document(path)
    try:
        whole = parse_json(text)
    except JsonError as error:
        raise UserError(f"{path} cannot be read as JSON ({error}); the checkpoint before has an older one") from error
    rows = whole.get(HISTORY) if isinstance(whole, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path} has no list '{HISTORY}' of objects; expected the {NAME} of a Trainer")
    step = whole.get("global_step")
    return float(step) if isinstance(step, int | float) and abs(step) < 1e18 else -1.0, rows

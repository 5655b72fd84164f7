"""Telling a lost machine from a run that cannot live: how often a run's process died without progress in between."""

from __future__ import annotations

from pathlib import Path

from calque.data.errors import UserError
from calque.data.json_files import read_json_if_there, write_json

MAX_CRASHES = 3
"""Deaths in a row at the same place, in one launch, after which a run is given up."""


def count_start(folder: Path, launch_id: str) -> None:
    """Record in ``attempts.json`` that a process starts to work on a run.

    Parameters
    ----------
    folder : Path
        The run's.
    launch_id : str
        Of this ``sweeps run``; a new launch starts the count again.

    Raises
    ------
    UserError
        When the last ``MAX_CRASHES`` + 1 processes of this launch all started where this one does.
    """
    path = folder / "attempts.json"
    place = _place(folder)
    before = read_json_if_there(path) or {}
    same = before.get("launch") == launch_id and before.get("place") == place
    count = int(before["count"]) + 1 if same else 1
    if count > MAX_CRASHES + 1:
        raise UserError(
            f"the process died {count - 1} times at {place}; look at the machine's memory and at Ray's logs, then run "
            "the same again"
        )
    write_json(path, {"launch": launch_id, "place": place, "count": count})


def _place(folder: Path) -> str:
    """Return how far the run got, as its files tell: its newest state and weights."""
    state = max((path.stem for path in folder.glob("states/step-*")), default="the start")
    weights = max((path.name.split(".")[0] for path in folder.glob("weights/step-*")), default="")
    return f"{state}, weights of {weights}" if weights else state

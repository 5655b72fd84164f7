"""Telling a lost machine from a run that cannot live: how often a run's process died without progress in between.

``attempts.json`` in the run's folder holds the count. A process adds one when it starts to work. One that dies before
that, as when it is killed while it loads its libraries, is counted by the process that launched it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from calque.data.errors import UserError
from calque.data.json_files import read_json_if_there, write_json

MAX_CRASHES = 3
"""Deaths in a row at the same place, in one launch, after which a run is given up."""
FILE = "attempts.json"


@dataclass(frozen=True)
class Attempts:
    """What ``attempts.json`` holds.

    Attributes
    ----------
    launch : str
        The ``sweeps run``; a new one starts the count again.
    place : str
        How far the run got.
    count : int
        Processes in a row that started to work on the run there, or died before they could.
    reason : str
        How the last of them died; empty while it is not known.
    died : bool
        Whether it is dead.
    """

    launch: str
    place: str
    count: int
    reason: str = ""
    died: bool = False

    @property
    def message(self) -> str:
        """What the user is told of a run that is given up."""
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"the process died {self.count} times at {self.place}{why}; look at the machine's memory and at Ray's "
            "logs, then run the same again"
        )


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
        When the last ``MAX_CRASHES`` + 1 processes of this launch all died where this one starts.
    """
    before, place = _before(folder, launch_id), _place(folder)
    if before is None or before.place != place:
        before = Attempts(launch=launch_id, place=place, count=0)
    if before.count > MAX_CRASHES:
        raise UserError(before.message)
    write_json(folder / FILE, asdict(replace(before, count=before.count + 1, died=False)))


def count_death(folder: Path, launch_id: str, reason: str) -> UserError | None:
    """Record in ``attempts.json`` how a process of a run died; called by the process that launched it.

    Parameters
    ----------
    folder : Path
        The run's.
    launch_id : str
        Of this ``sweeps run``.
    reason : str
        How it died, one line.

    Returns
    -------
    UserError or None
        What the user is told when the run is to be given up.
    """
    before = _before(folder, launch_id)
    if before is None:
        before = Attempts(launch=launch_id, place=_place(folder), count=0, died=True)
    count = before.count + 1 if before.died else before.count  # no process has counted itself since the last death
    found = replace(before, count=count, reason=reason, died=True)
    write_json(folder / FILE, asdict(found))
    return UserError(found.message) if count > MAX_CRASHES else None


def _before(folder: Path, launch_id: str) -> Attempts | None:
    before = read_json_if_there(folder / FILE, Attempts)
    return before if before is not None and before.launch == launch_id else None


def _place(folder: Path) -> str:
    """Return how far the run got, as its files tell: its newest state and weights."""
    state = max((path.stem for path in folder.glob("states/step-*")), default="the start")
    weights = max((path.name.split(".")[0] for path in folder.glob("weights/step-*")), default="")
    return f"{state}, weights of {weights}" if weights else state

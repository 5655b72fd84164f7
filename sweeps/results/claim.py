"""Whose a results folder is: ``study.json``, made by the first run and checked by every later one."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from calque.data import cube
from calque.data.cube.run_file import NAME, PREVIOUS
from calque.data.errors import DiskError, UserError
from calque.data.json_files import read_json_if_there, write_json
from calque.sweeps.results.progress import RunProgress
from calque.sweeps.results.root import MARKER
from calque.sweeps.study.study import Study

WRITTEN = (MARKER, "runs", "results.nc", "live.html")
"""What a study writes into its folder."""
LOG = logging.getLogger("calque")


@dataclass(frozen=True)
class Owner:
    """The study whose results a folder holds.

    Attributes
    ----------
    study, study_id : str
    runs : dict of str to str
        Ids by name.
    """

    study: str
    study_id: str
    runs: dict[str, str]

    @classmethod
    def of(cls, study: Study) -> Owner:
        """Return what ``study`` writes."""
        return cls(study.name, study.study_id, {run.name: run.run_id for run in study.runs})


def claim(results: Path, study: Study) -> None:
    """Make the results folder this study's, or check that it is.

    Where ``study.json`` is damaged or missing, the runs in the folder tell whose it is, and it is made again.

    Parameters
    ----------
    results : Path
        The results folder.
    study : Study
        Whose it shall be.

    Raises
    ------
    UserError
        When it holds another study's results, or files that no study wrote; nothing is changed.
    """
    marker, mine = results / MARKER, Owner.of(study)
    theirs = read_json_if_there(marker, Owner)
    if theirs is None:
        _adopt(results, mine)
        results.mkdir(parents=True, exist_ok=True)
        write_json(marker, asdict(mine))
        return
    _refuse_others(results, mine, theirs)
    if theirs != mine:  # runs were added: what is there stays valid
        write_json(marker, asdict(mine))


def check_owner(results: Path, study: Study) -> bool:
    """Return whether a results folder says that it is this study's; False where it says nothing.

    Parameters
    ----------
    results : Path
        The results folder.
    study : Study

    Raises
    ------
    UserError
        When it is another study's.
    """
    theirs = read_json_if_there(results / MARKER, Owner)
    if theirs is not None:
        _refuse_others(results, Owner.of(study), theirs)
    return theirs is not None


def _refuse_others(results: Path, mine: Owner, theirs: Owner) -> None:
    changed = sorted(name for name, run_id in theirs.runs.items() if mine.runs.get(name) != run_id)
    if theirs.study == mine.study and (theirs.study_id == mine.study_id or not changed):
        return
    what = f"run '{changed[0]}' differs" if theirs.study == mine.study else f"it is of study '{theirs.study}'"
    raise UserError(f"{results} holds results of another study ({what}); choose another folder with `results`")


def _adopt(results: Path, mine: Owner) -> None:
    """Check that a folder without a readable ``study.json`` is empty, or that its runs are this study's."""
    if not results.exists() or all(path.name.startswith(".") for path in results.iterdir()):
        return
    found = {path.name: _run_id(path) for path in sorted(results.glob("runs/*")) if path.is_dir()}
    known = {name: run_id for name, run_id in found.items() if run_id is not None}
    damaged = (results / MARKER).exists()
    ours = damaged and all(path.name in WRITTEN or path.name.startswith(".") for path in results.iterdir())
    if not known and not ours:
        raise UserError(f"{results} holds files that no study wrote; choose an empty folder with `results`")
    differs = next((name for name, run_id in known.items() if mine.runs.get(name) != run_id), None)
    if differs is not None:
        raise UserError(
            f"{results} holds results of another study (run '{differs}' differs); choose another folder with `results`"
        )
    what = "is damaged" if damaged else "is missing"
    LOG.warning("%s %s; its %d runs are this study's, and it is made again", results / MARKER, what, len(known))


def _run_id(folder: Path) -> str | None:
    """Return the id of the run whose files stand in a folder, None where no file tells."""
    progress = read_json_if_there(folder / "progress.json", RunProgress)
    if progress is not None:
        return progress.run_id
    for name in (NAME, PREVIOUS):
        if (folder / name).exists():
            try:
                return str(cube.read(folder / name).attrs["run_id"])
            except DiskError:
                raise
            except (UserError, KeyError):
                continue
    return None

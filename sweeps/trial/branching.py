"""Where a run that leaves another one begins: the full state of the other at that step."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from calque.data.errors import UserError
from calque.models.checkpoints.state import newest_states, state_path
from calque.sweeps.results.progress import FROM, read_progress, run_folder
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.branch import Branch
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.trial.request import TrialRequest

LOG = logging.getLogger("calque")


def beginning(request: TrialRequest) -> Path | None:
    """Return the state of another run from which the run of ``request`` begins; None where it begins with none.

    One that is repeated without the other run begins at its first step: its own schedule has the same steps before the
    branch.

    Raises
    ------
    UserError
        When the other run has no such state.
    """
    branch = request.config.branch
    if branch is None:
        return None
    for folder in (request.folder / FROM, request.results / "runs" / branch.run / "states"):
        if (path := state_path(folder, branch.step)).exists():
            return path
    if newest_states(request.folder / "states"):  # it goes on from those
        return None
    if request.without_parent:
        LOG.warning(
            "run '%s' left run '%s' at step %d, which is no part of this study: it is trained from its first step",
            request.config.name, branch.run, branch.step,
        )  # fmt: skip
        return None
    stands = f"it is at step {_step_of(request)}"
    raise UserError(
        f"run '{request.config.name}' begins at step {branch.step} of run '{branch.run}', which has no full state of "
        f"it ({stands}): train that run first. One that is past it kept none; begin at a later checkpoint, and see "
        "training.keep_states"
    )


def _step_of(request: TrialRequest) -> int:
    assert request.config.branch is not None
    path = request.results / "runs" / request.config.branch.run / "states"
    return max((int(state.stem.removeprefix("step-")) for state in newest_states(path)), default=0)


def state_is_there(root: ResultsRoot, branch: Branch) -> bool:
    """Return whether a full state stands in ``root`` from which a run of this ``branch`` can begin."""
    name = f"runs/{branch.run}/states/{state_path('', branch.step).name}"
    digest = f"{name}.sha256"
    return (root.folder / digest).exists() if root.remote is None else root.remote.exists(digest)


def fetch_beginning(root: ResultsRoot, run: RunConfig, folder: str | os.PathLike[str]) -> None:
    """Fetch the state from which ``run`` begins into its ``folder``, where ``root`` is an address.

    Parameters
    ----------
    root : ResultsRoot
    run : RunConfig
    folder : path
        The results folder on this machine.
    """
    own = run_folder(Path(folder), run)
    if root.remote is None or run.branch is None or newest_states(own / "states"):
        return
    above = f"runs/{run.branch.run}/states/"
    wanted = above + state_path("", run.branch.step).name
    for name in root.remote.names():
        if name.startswith(wanted):
            root.remote.get(name, own / FROM / name.removeprefix(above))


def why_never(root: ResultsRoot, run: RunConfig, parent: RunConfig) -> str:
    """Return why ``run`` cannot begin, in words: the run that it leaves has ended, and has no state of that step.

    Parameters
    ----------
    root : ResultsRoot
        Brought up to date.
    run : RunConfig
        With a branch.
    parent : RunConfig
        The run that it leaves.
    """
    assert run.branch is not None
    if read_progress(root.folder, parent).state == "done":
        return (
            f"run '{parent.name}' is done and kept no full state of step {run.branch.step}, at which this run begins; "
            "begin at a later checkpoint, and see training.keep_states"
        )
    return f"run '{parent.name}', at step {run.branch.step} of which this run begins, did not get there"

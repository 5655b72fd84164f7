"""Branches wait for the state from which they begin; all other runs start at once, the longest first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from calque.data.errors import UserError
from calque.data.files import FolderGoneError
from calque.sweeps.results.progress import read_progress, write_progress
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.trial.branching import state_is_there, why_never

SECONDS_BETWEEN, SECONDS_BETWEEN_AT_AN_ADDRESS = 1.0, 15.0
"""From one look for states to the next."""


def branch_steps(name: str, runs: Iterable[RunConfig]) -> tuple[int, ...]:
    """Return the steps at which any of ``runs``, those that are not done, leave the run ``name``."""
    return tuple(sorted({run.branch.step for run in runs if run.branch is not None and run.branch.run == name}))


class WaitingBranches:
    """The runs of a launch in the order in which they start: a branch not before its state is there.

    Parameters
    ----------
    runs : mapping of str to RunConfig
        By run, in the order in which they start.
    parents : mapping of str to RunConfig
        The runs that others leave, by name.
    root : ResultsRoot

    Attributes
    ----------
    again : list of str
        Branches that were left out because the process of the run that they leave died.
    """

    def __init__(self, runs: Mapping[str, RunConfig], parents: Mapping[str, RunConfig], root: ResultsRoot) -> None:
        self.runs, self.parents, self.root = dict(runs), parents, root
        self.at_work, self.again = set(runs), []  # type: tuple[set[str], list[str]]
        self.looked_at, self.ready = 0.0, {name for name, run in runs.items() if run.branch is None}
        self._look()

    def any(self) -> bool:
        """Return whether a run waits."""
        return not self.ready.issuperset(self.runs)

    def take(self) -> str | None:
        """Take the next run that may start; None where all that are left wait. Those that never can are given up."""
        pause = SECONDS_BETWEEN if self.root.remote is None else SECONDS_BETWEEN_AT_AN_ADDRESS
        if self.any() and time.monotonic() - self.looked_at > pause:
            self._look()
        name = next((name for name in self.runs if name in self.ready), None)
        if name is not None:
            del self.runs[name]
            self.ready.discard(name)
        return name

    def ended(self, name: str, died: bool) -> None:
        """Take note that the run ``name`` has ended in this launch; where its process ``died``, it is tried again."""
        self.at_work.discard(name)
        if died:
            left = [one for one, run in self.runs.items() if run.branch is not None and run.branch.run == name]
            self.again += left
            for one in left:
                del self.runs[one]
        self.looked_at = 0.0

    def _look(self) -> None:
        """Look which states are there by now, and give up runs whose state will never be."""
        self.looked_at = time.monotonic()
        waiting = {name: run for name, run in self.runs.items() if name not in self.ready}
        if not waiting:
            return
        try:
            self.root.refresh([*self.parents.values(), *waiting.values()])
            for name, run in waiting.items():
                assert run.branch is not None
                over = run.branch.run not in self.at_work  # looked at before the state, which may come meanwhile
                if state_is_there(self.root, run.branch) or read_progress(self.root.folder, run).tokens > 0:
                    self.ready.add(name)
                elif over:
                    self._give_up(run, why_never(self.root, run, self.parents[run.branch.run]))
        except FolderGoneError:
            raise
        except (UserError, OSError):  # a root that cannot be read now: it is looked at again
            return

    def _give_up(self, run: RunConfig, reason: str) -> None:
        standing = replace(read_progress(self.root.folder, run), state="failed", message=reason)
        write_progress(self.root.folder, run, standing)
        self.root.publish(f"runs/{run.name}/progress.json")
        del self.runs[run.name]

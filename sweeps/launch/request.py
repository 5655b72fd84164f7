"""What is sent to a process of the cluster: one run, and where and how it is to be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calque.sweeps.launch.environment import forwarded
from calque.sweeps.launch.installed import Installed, installed
from calque.sweeps.plan.placement import ResourceRequest
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.trial.request import TrialRequest


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """One run that is launched under Ray.

    Attributes
    ----------
    run : RunConfig
    place : str
        The results root: an absolute folder that every node sees, or an ``fsspec`` address.
    study_yaml : str
        The study file's text, kept in the run's cube.
    until : int, optional
        Tokens at which it pauses; None goes to the end.
    launch_id : str
        Of this ``sweeps run``; a new launch has a new one.
    resources : ResourceRequest
        Reserved for the run.
    branch_steps : tuple of int
        Steps at which other runs leave this one.
    environment : mapping of str to str
        Variables that its processes get, wherever they are (``calque.sweeps.launch.environment``); its values are
        written nowhere.
    code : Installed
        Of the launching process; a node with another one is refused.
    """

    run: RunConfig
    place: str
    study_yaml: str
    launch_id: str
    resources: ResourceRequest
    branch_steps: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=forwarded, repr=False)
    code: Installed = field(default_factory=installed)
    until: int | None = None

    def trial(self, results: Path) -> TrialRequest:
        """Return the trial of this run in the folder ``results``, which stands for :attr:`place` on this machine."""
        return TrialRequest(
            config=self.run, results=results, study_yaml=self.study_yaml, branch_steps=self.branch_steps,
            until=self.until,
        )  # fmt: skip

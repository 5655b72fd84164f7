"""What is sent to a process of the cluster: one run, and where and how it is to be done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
    launch_id : str
        Of this ``sweeps run``; a new launch has a new one.
    resources : ResourceRequest
        Reserved for the run.
    """

    run: RunConfig
    place: str
    study_yaml: str
    launch_id: str
    resources: ResourceRequest

    def trial(self, results: Path) -> TrialRequest:
        """Return the trial of this run in the folder ``results``, which stands for :attr:`place` on this machine."""
        return TrialRequest(config=self.run, results=results, study_yaml=self.study_yaml)

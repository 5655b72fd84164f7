"""All runs of a study: the function behind ``sweeps run``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from calque.data.arguments import checked
from calque.data.cube import read
from calque.data.quantities import plural
from calque.data.result import Result, Rows, check_backend
from calque.sweeps.results.progress import ENDED, RunProgress, read_progress
from calque.sweeps.results.rungs import TrialScore, best, drawn_text, scores, trials_table
from calque.sweeps.results.standings import standing_line, standings_json
from calque.sweeps.running import LaunchResult, run_study
from calque.sweeps.study.study import Study, read_study

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StudyRun(Result):
    """A study after its runs: where each stands, and the cube of all.

    Attributes
    ----------
    study : Study
        What was run.
    ended : LaunchResult
        The results root, and why the launch ended early, if it did.
    standings : tuple of RunProgress
        Where each run stands.
    """

    study: Study
    ended: LaunchResult
    standings: tuple[RunProgress, ...]

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Names of the runs that are not done."""
        return tuple(s.run for s in self.standings if s.state not in ENDED)

    @property
    def path(self) -> str:
        """Path or address of the cube."""
        return f"{self.ended.root}/results.nc"

    @cached_property
    def cube(self) -> xr.Dataset:
        """The cube of all runs, read from the results."""
        return read(self.ended.root.folder / "results.nc")

    def to_dict(self) -> dict[str, Any]:
        """Return what ``sweeps run --json`` writes."""
        told = standings_json(self.study, self.ended.root, self.standings) | {"cube": self.path}
        return told if self.study.search is None else told | {"search": [one.to_dict() for one in self.trials]}

    @cached_property
    def trials(self) -> tuple[TrialScore, ...]:
        """The trials of a search, those that came furthest first, of these the best first; none of another study."""
        return () if self.study.search is None else tuple(scores(self.study, self.ended.root.folder))

    def tables(self) -> dict[str, Rows]:
        """Return ``runs``, a row each."""
        return {"runs": Rows(self.to_dict()["runs"], ("run",))}

    def renderables(self) -> Sequence[RenderableType]:
        """Return a line for every unfinished run, and one for the study."""
        from rich.text import Text

        if self.study.search is not None:
            return [trials_table(self.trials, self.study.search), *map(Text, self._closing())]
        lines = [standing_line(s, self.ended.root) for s in self.standings if s.state not in ENDED]
        done = len(self.standings) - len(self.unfinished)
        lines.append(f"{self.path}: {done} of {plural(len(self.standings), 'run')} done")
        lines.append(self._again if self.unfinished else f"next: phases detect {self.path}")
        return [Text(line) for line in lines]

    @property
    def _again(self) -> str:
        """The command that resumes, in these results: elsewhere the study would begin anew."""
        study, root = shlex.quote(str(self.study.path)), shlex.quote(str(self.ended.root))
        return f"resume with: sweeps run {study} --results {root}"

    def _closing(self) -> list[str]:
        """Return the last lines of a search: what is left, and the study file of its best trial."""
        first = best(self.trials)
        done = len(self.standings) - len(self.unfinished)
        failed = [standing_line(s, self.ended.root) for s in self.standings if s.state == "failed"]
        lines = [*failed, f"{self.path}: {done} of {plural(len(self.standings), 'trial')} ended"]
        if self.unfinished:
            lines.append(self._again)
        if first is not None:
            lines.append(f"best: {first.run}, {drawn_text(first)}")
        return lines

    def plot(self, metric: str = "translation", *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw a metric of all runs over tokens.

        Parameters
        ----------
        metric : str
            A metric of the cube.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.Overlay
        """
        check_backend(backend)
        import calque.phases.api.accessor  # noqa: F401  (registers cube.calque)

        return self.cube.calque.plot(metric, ax=ax, backend=backend)


@checked
def run(study: str | os.PathLike[str] | Study, *, results: str | None = None, cpus: int | None = None) -> StudyRun:
    """Run all runs of a study under Ray Tune; a second call resumes where it stood.

    Parameters
    ----------
    study : path or Study
        A study file, such as ``sweeps/quick.yaml``.
    results : str, optional
        Folder for results, or an address such as ``s3://bucket/full``; ``results/NAME`` when None.
    cpus : int, optional
        Cores of this machine to use; all when None.

    Returns
    -------
    StudyRun
        Its ``unfinished`` names the runs that are not done.

    Raises
    ------
    UserError
        When the study cannot be read, the results are another study's or in use, or a run does not fit.
    """
    loaded = study if isinstance(study, Study) else read_study(Path(study))
    ended = run_study(loaded, results, cpus)
    standings = tuple(read_progress(ended.root.folder, one) for one in loaded.runs)
    return StudyRun(study=loaded, ended=ended, standings=standings)

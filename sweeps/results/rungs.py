"""Scores of a search's trials: the metric at the rungs that each has reached, and their ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from calque.data import cube
from calque.data.cube.run_file import NAME
from calque.data.errors import UserError
from calque.data.quantities import format_count
from calque.phases.series.metrics import available, trajectories
from calque.sweeps.results.progress import read_progress, run_folder
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.search import Search
from calque.sweeps.study.study import Study


@dataclass(frozen=True, kw_only=True)
class TrialScore:
    """One trial of a search.

    Attributes
    ----------
    run, state : str
    drawn : mapping of str to value
        By dotted key.
    tokens : int
        Of the last checkpoint at which the metric is known; 0 when there is none.
    rungs : int
        Rungs it has reached, the end of training included.
    score : float or None
        The metric at that checkpoint.
    """

    run: str
    state: str
    drawn: Mapping[str, Any]
    tokens: int
    rungs: int
    score: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "run": self.run, "state": self.state, "drawn": dict(self.drawn), "tokens": self.tokens,
            "rungs": self.rungs, "score": self.score,
        }  # fmt: skip


def curve(folder: Path, metric: str) -> tuple[list[int], list[float]]:
    """Return tokens and values of a metric of the run in ``folder``, where they are known; empty before a checkpoint.

    Parameters
    ----------
    folder : path
    metric : str

    Raises
    ------
    UserError
        When the cube is damaged, or can never have the metric.
    """
    if not (folder / NAME).exists():
        return [], []
    one = cube.read(folder / NAME)
    if metric not in available(one.isel(run=0)):
        raise UserError(
            f"{folder / NAME} has no '{metric}', which the search raises; expected one of "
            f"{', '.join(available(one.isel(run=0))) or 'none'}"
        )
    (found,) = trajectories(one, [metric])
    known = np.isfinite(found.y)
    return [int(t) for t in found.tokens[known]], [float(y) for y in found.y[known]]


def at_rung(folder: Path, metric: str, rung: int) -> tuple[int, float] | None:
    """Return tokens and the value of ``metric`` at the first checkpoint of the run in ``folder`` at ``rung`` tokens.

    A later one counts where none is there; None where the run has not come so far.
    """
    return next((pair for pair in zip(*curve(folder, metric), strict=True) if pair[0] >= rung), None)


def scores(study: Study, results: Path) -> list[TrialScore]:
    """Return the trials of a study with a search: those that came furthest first, of these the best first.

    Parameters
    ----------
    study : Study
    results : Path
        The results folder.
    """
    assert study.search is not None
    found = [_score(study.search, run, study.drawn[run.name], results) for run in study.runs]
    return sorted(found, key=lambda one: (-one.rungs, -(one.score if one.score is not None else -np.inf), one.run))


def _score(search: Search, run: RunConfig, drawn: Mapping[str, Any], results: Path) -> TrialScore:
    tokens, values = curve(run_folder(results, run), search.metric)
    reached = tokens[-1] if tokens else 0
    end = run.training.trained_tokens
    return TrialScore(
        run=run.name, state=read_progress(results, run).status, drawn=drawn, tokens=reached,
        rungs=sum(reached >= rung for rung in search.rungs(end)), score=values[-1] if values else None,
    )  # fmt: skip


def best(ranked: Sequence[TrialScore]) -> TrialScore | None:
    """Return the first of ``ranked`` that has a score; None where none has."""
    return next((one for one in ranked if one.score is not None), None)


def drawn_text(trial: TrialScore) -> str:
    """Return what was drawn for a ``trial``, in one line."""
    return ", ".join(f"{key}: {value}" for key, value in trial.drawn.items())


def trials_table(ranked: Sequence[TrialScore], search: Search) -> Table:
    """Return the trials as a table: how far each came, its score, what was drawn.

    Parameters
    ----------
    ranked : sequence of TrialScore
    search : Search
    """
    table = Table(title=f"search by {search.metric}", title_justify="left")
    for name in ("trial", "state", "tokens", "rungs", search.metric, *search.over):
        table.add_column(name, justify="left" if name in ("trial", "state") else "right", overflow="fold")
    for one in ranked:
        score = "" if one.score is None else f"{one.score:.3f}"
        drawn = (str(one.drawn.get(key, "")) for key in search.over)
        table.add_row(one.run, one.state, format_count(one.tokens), str(one.rungs), score, *drawn)
    return table

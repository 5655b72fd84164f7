"""One trial of a search, from a rung to the next: trained, or told as it was measured in an earlier launch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from calque.sweeps.results.progress import ENDED, read_progress, run_folder, write_progress
from calque.sweeps.results.rungs import at_rung
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.search import Search

TIME, SCORE = "rung", "score"
"""What Tune is told of a trial: a power of ``reduction`` for every rung, and the metric there."""
Train = Callable[[int | None], None]


def next_rung(train: Train, run: RunConfig, results: Path, search: Search, passed: int) -> dict[str, Any]:
    """Train one trial to its next rung, unless it has been there, and return what Tune is told.

    Parameters
    ----------
    train : callable
        ``train(until)`` trains the run to the first checkpoint at ``until`` tokens or after, or to its end when None.
    run : RunConfig
    results : Path
        The results folder.
    search : Search
    passed : int
        Rungs that Tune knows of.

    Returns
    -------
    dict
        ``rung`` on ASHA's scale, ``score`` and ``done``, which is true at the end of training and of a trial that
        failed or was stopped in an earlier launch.
    """
    folder, end = run_folder(results, run), run.training.trained_tokens
    rungs = search.rungs(end)
    found = at_rung(folder, search.metric, rungs[passed])
    before = read_progress(results, run)
    if found is None and before.state != "pruned":
        train(None if rungs[passed] == end else rungs[passed])
        found = at_rung(folder, search.metric, rungs[passed])
    state = read_progress(results, run).state
    over = passed + 1 == len(rungs) or found is None or state == "failed"
    later = passed + 1 < len(rungs) and at_rung(folder, search.metric, rungs[passed + 1]) is not None
    return {
        TIME: search.reduction**passed,
        SCORE: float("-inf") if found is None else found[1],
        "done": over or (state in ENDED and not later),
    }


def record_pruned(results: Path, run: RunConfig, search: Search) -> None:
    """Record that ASHA stopped a trial, where it stands before its end.

    Parameters
    ----------
    results : Path
        The results folder.
    run : RunConfig
    search : Search
    """
    standing = read_progress(results, run)
    if standing.state == "waiting" and 0 < standing.tokens < standing.total_tokens:
        message = f"stopped by the search at {standing.tokens} tokens, for its {search.metric}"
        write_progress(results, run, replace(standing, state="pruned", message=message))

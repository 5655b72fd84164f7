"""Where the runs of a study stand, as JSON and as a line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calque.data.quantities import plural
from calque.sweeps.results.progress import ENDED, RunProgress
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.study import Study


def standings_json(study: Study, root: ResultsRoot, standings: Sequence[RunProgress]) -> dict[str, Any]:
    """Return where runs stand, as JSON-ready values.

    Parameters
    ----------
    study : Study
        Whose runs they are.
    root : ResultsRoot
        Where the results are.
    standings : sequence of RunProgress
        One a run.
    """
    runs = [s.to_dict() | {"stopped": s.stale, "seconds_left": s.seconds_left} for s in standings]
    return {"schema": 1, "study": study.name, "results": root.place, "runs": runs}


def standing_line(standing: RunProgress, root: ResultsRoot) -> str:
    """Return one line on a run: done, unfinished or failed, and where its files are.

    Parameters
    ----------
    standing : RunProgress
        Of the run.
    root : ResultsRoot
        Where the results are.
    """
    where = f"{root}/runs/{standing.run}"
    if standing.state == "failed":
        return f"{standing.run}: failed: {standing.message} (traceback in {where}/error.txt)"
    done = f"{standing.checkpoints} of {plural(standing.total_checkpoints, 'checkpoint')}"
    state = standing.state if standing.state in ENDED else "unfinished"
    return f"{standing.run}: {state}, {done}, in {where}"

"""Arguments, answers and sentences that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from calque.sweeps.results.progress import RunProgress
    from calque.sweeps.results.root import ResultsRoot
    from calque.sweeps.study.run_config import RunConfig
    from calque.sweeps.study.study import Study

StudyFile = Annotated[Path, typer.Argument(help="Study file, such as sweeps/quick.yaml.", show_default=False)]
Results = Annotated[
    str | None,
    typer.Option(
        help="Folder for results, or an address such as s3://bucket/full; by default NAME in CALQUE_RESULTS, "
        "the study's key 'results', or results/NAME."
    ),
]


def standings_json(study: Study, root: ResultsRoot, standings: Sequence[RunProgress]) -> dict[str, Any]:
    """Return where runs stand, as JSON-ready values."""
    from dataclasses import asdict

    runs = [asdict(s) | {"stopped": s.stale, "seconds_left": s.seconds_left} for s in standings]
    return {"schema": 1, "study": study.name, "results": root.place, "runs": runs}


def say(standing: RunProgress, root: ResultsRoot, config: RunConfig) -> str:
    """Return one line on a run's standing."""
    where = f"{root}/runs/{config.name}"
    if standing.state == "failed":
        return f"{config.name}: failed: {standing.message} (traceback in {where}/error.txt)"
    done = f"{standing.checkpoints} of {standing.total_checkpoints} checkpoints"
    return f"{config.name}: {'done' if standing.state == 'done' else 'unfinished'}, {done}, in {where}"

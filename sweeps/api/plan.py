"""What a study will cost: the function behind ``sweeps plan``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.data.arguments import checked
from calque.data.cube.source import CubeLike, as_cube
from calque.data.errors import UserError
from calque.data.result import Result, Rows, check_backend
from calque.sweeps.plan.hardware import Hardware
from calque.sweeps.plan.pilot import of_pilot
from calque.sweeps.plan.pilot_tables import metrics_table, sentences
from calque.sweeps.plan.placement import parse_nodes
from calque.sweeps.plan.plan import plan as estimate
from calque.sweeps.prepare.known_text import data_sets, texts
from calque.sweeps.study.study import Study, is_address, read_study

if TYPE_CHECKING:
    from rich.console import RenderableType

COSTS = ("hours", "scoring_hours", "wall_hours", "flops", "scoring_flops", "disk_bytes", "tokens", "n_params")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StudyPlan(Result):
    """The cost estimate of a study.

    Attributes
    ----------
    study : Study
        What was planned.
    estimate : dict
        ``runs``, ``total``, ``timetable`` and ``cost``, as in the JSON: parameters, tokens, FLOPs, device-hours, bytes
        of disk; when the study ends on a cluster, and what it costs, where these were asked for.
    """

    study: Study
    estimate: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``sweeps plan --json`` writes."""
        return self.estimate

    def tables(self) -> dict[str, Rows]:
        """Return ``runs``, a row each; FLOPs a token and bytes of memory have a column a part."""
        rows = []
        for run in self.estimate["runs"]:
            parts = {"flops_per_token": run["flops_per_token"], "memory_bytes": run["memory_bytes"]}
            plain = {k: v for k, v in run.items() if not isinstance(v, dict)}
            rows.append(plain | {f"{name}_{part}": v for name, of in parts.items() for part, v in of.items()})
        return {"runs": Rows(rows, ("run",))}

    def renderables(self) -> Sequence[RenderableType]:
        """Return the tables and notes of the terminal."""
        from rich.text import Text

        from calque.sweeps.plan import tables

        kinds = (tables.cost_table, tables.flops_table, tables.memory_table, tables.repetition_table)
        made = [table for make in kinds if (table := make(self.estimate)) is not None]
        pilot = self.estimate["pilot"]
        lines = [*tables.notes(self.estimate), *(sentences(pilot) if pilot else ()), *how_to_submit(self.study.path)]
        made += [metrics_table(pilot)] if pilot else []
        return [*made, *(Text(line) for line in lines)]

    def plot(self, cost: str = "hours", *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw one cost of every run as bars.

        Parameters
        ----------
        cost : str
            hours, scoring_hours, wall_hours, flops, scoring_flops, disk_bytes, tokens or n_params.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.Bars

        Raises
        ------
        UserError
            For a cost that is none.
        """
        check_backend(backend)
        if cost not in COSTS:
            raise UserError(f"`cost` is '{cost}'; expected one of {', '.join(COSTS)}")
        frame = self.to_dataframe()
        if backend == "hvplot":
            from calque.phases.api.interactive import bars_plot

            return bars_plot(frame, "run", cost)
        from calque.phases.report.figures import new_axes
        from calque.phases.report.forest import draw_bars

        axes = new_axes(0.9 + 0.24 * len(frame)) if ax is None else ax
        return draw_bars(axes, list(frame["run"]), frame[cost].to_numpy(float), cost.replace("_", " "))


def how_to_submit(path: str | os.PathLike[str]) -> list[str]:
    """Return a line with the command that submits a study, where its file is no command of its own.

    A job of Ray is a line of the shell: a file without a folder is looked for on the ``PATH``, and one that is not
    executable is refused, before Calque is asked.

    Parameters
    ----------
    path : path
        The study's file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            command = file.readline().startswith(b"#!") and os.access(path, os.X_OK)
    except OSError:
        return []
    if command and path.parent != Path("."):
        return []
    own = f"ray job submit ./{path.name}" if command else f"ray job submit -- sweeps run {path}"
    why = "a file without a folder is looked for on the PATH" if command else "the file is not executable"
    return [f"to submit it: {own} ({why})"]


@checked
def plan(
    study: str | os.PathLike[str] | Study, *, device: str | None = None, flops: float | None = None,
    utilisation: float = 0.4, nodes: str | None = None, price: float | None = None, results: str | None = None,
    pilot: CubeLike | None = None,
) -> StudyPlan:  # fmt: skip
    """Estimate the cost of a study; nothing is started.

    Parameters
    ----------
    study : path or Study
        A study file, such as ``sweeps/quick.yaml``.
    device : str, optional
        cpu (one core), a100, h100, h200 or b200; h200 for bfloat16 and cpu for float32 when None.
    flops : float, optional
        Peak FLOP/s of a device that is not named there.
    utilisation : float
        Share of the peak that training's own FLOPs reach.
    nodes : str, optional
        A cluster such as ``2x8gpu64cpu,4x32cpu``; when the study ends there is worked out.
    price : float, optional
        Of an hour of a device, in any currency.
    results : str, optional
        Where results would go, a folder or an address such as ``s3://bucket/full``; as for a run when None.
    pilot : path, xarray.Dataset or result, optional
        Cube of an earlier study with several seeds, sizes or mixes: signal to noise of its metrics, and the cheapest
        parts of scoring that tell its runs apart.

    Returns
    -------
    StudyPlan

    Raises
    ------
    UserError
        When the study cannot be read, a folder of text is not as expected, a run does not fit into the nodes, or a
        number makes no sense; when no metric of the pilot has three runs.

    Examples
    --------
    >>> import calque
    >>> calque.plan("sweeps/quick.yaml").to_dict()["total"]["runs"]
    5
    """
    loaded = study if isinstance(study, Study) else read_study(Path(study))
    for config in {run.text.folder: run.text for run in loaded.runs if run.corpus == "text"}.values():
        from calque.data.corpora.text.folder import text_files

        text_files(config)
    cluster = None if nodes is None else parse_nodes(nodes)
    hardware = Hardware(device=device, flops=flops, utilisation=utilisation)
    known = texts(loaded.runs)
    made = estimate(
        loaded,
        hardware,
        cluster,
        price,
        known,
        data_sets(loaded.runs, known),
        is_address(loaded.results_place(results)),
    )
    if pilot is not None:
        cube, name = as_cube(pilot)
        made["pilot"] = of_pilot(cube, loaded.runs[0], name)
    return StudyPlan(study=loaded, estimate=made)

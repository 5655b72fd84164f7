"""Pictures of where the report still misleads: one for each kind of log that misses a target.

``python -m tests.benchmarks.misleading`` reads the table of ``python -m tests.benchmarks.pathologies`` and takes the
cells that clearly missed a target. For each kind it draws a simulated log that shows the failure: scores, the true
curve, its true takeoff, and what the report says. The pictures go to ``docs/images``; what was measured goes between
the markers of ``docs/MISLEADING.md``. Run it after each new table: kinds that meet their targets leave the page.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calque.data.errors import UserError
from calque.phases.calibration.cells import Cell, Target, chosen
from calque.phases.calibration.grids import between_markers
from calque.phases.calibration.outcomes import Options, answer
from calque.phases.calibration.pathologies.reported import cube_of
from calque.phases.calibration.run import cell_truth, draw
from calque.phases.detection.detect import detect
from calque.phases.results import DetectionReport
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from calque.phases.wording import delay_outcome, location

TRIED = 40
"""Simulated logs among which one that shows the failure is looked for."""
KINDS = {
    "falls": (
        "Scores that only fall",
        "A score that falls and never rises can be given a takeoff. Look at the picture of the series: where its "
        "highest score is its first, there is nothing to date.",
    ),
    "repeated": (
        "Values that are repeated",
        "A log whose gaps are filled with the last value, or that lists each checkpoint twice, looks more certain than "
        "it is. Import the rows that were measured.",
    ),
    "noise": (
        "Noise that wanders, or that calms down",
        "When the noise hardly forgets from checkpoint to checkpoint, a wander looks like growth. When it shrinks as "
        "the learning rate falls, its size is wrong early and late. Ask several runs, and `--sensitivity`.",
    ),
    "dip": (
        "Scores that dip first",
        "A score that falls below chance and comes back has two beginnings. Read the place as that of the rise after "
        "its lowest point, and look at the picture.",
    ),
    "schedule": (
        "Changes of the schedule",
        "An anneal lifts scores by itself, and a halved batch bends what is even per step. Give `--schedule`: what "
        "begins there is marked. Ask with `--axis steps` or `--axis cumulative_lr` too.",
    ),
    "power": (
        "Late starts that are smooth",
        "A smooth late start on few checkpoints is often not found. *Not found* is no sign that growth began with the "
        "first token.",
    ),
}  # fmt: skip
"""Kinds of logs: title, and what to know of them."""
FIGURES = {
    "late": "called late", "reported": "given a takeoff", "covered_if_reported": "takeoff covered, of those given",
}  # fmt: skip


def missed(table: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the cells of a table that missed a target by more than two standard errors, by kind."""
    out: dict[str, list[dict[str, Any]]] = {}
    for cell in table["cells"]:
        targets = [t for t in cell["targets"] if t["verdict"] == "missed"]
        if targets:
            out.setdefault(cell["cell"].split("/")[1], []).append({**cell, "targets": targets})
    return out


def shows(cell: Cell, figure: str, found: dict[str, float]) -> bool:
    """Return whether what the report says of one log is the failure that a figure counts."""
    at = cell_truth(cell, 0.05).takeoff
    if figure == "late":
        wanted = any(t.figure == "late" and t.low is not None for t in cell.targets)
        return bool(found["late"]) != wanted
    if figure == "reported":
        return found["reported"] > 0
    return found["reported"] > 0 and not found["low"] <= at <= found["high"]


def example(cell: Cell, figure: str, options: Options) -> tuple[Trajectory, DetectionReport]:
    """Return the first simulated log that shows a failure, and its report; the last one tried where none does."""
    for replicate in range(TRIED):
        t = draw(cell, replicate, options.seed)[0]
        if shows(cell, figure, answer([t], cell.ask, options, cell.schedule)):
            break
    settings = Settings(metrics=(t.metric,), boot=options.boot, seed=options.seed, schedule=cell.schedule)
    return t, detect(cube_of(t), settings)


def picture(cell: Cell, t: Trajectory, report: DetectionReport, path: Path) -> str:
    """Draw a log with its true curve and what the report says of it; return that in words."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    delay, takeoff = (report.of(t.run, t.metric, name) for name in ("delay", "takeoff"))
    assert delay is not None and takeoff is not None
    end, fine = t.tokens[-1], np.linspace(0.0, 1.0, 2001)
    made, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    axes.plot(t.tokens / 1e9, t.y, "o", ms=3.5, color="#58739b", label="scores")
    axes.plot(fine * end / 1e9, cell.curve.score(fine), color="#b0641d", lw=1.5, label="true curve")
    at = cell_truth(cell, 0.05).takeoff
    if np.isfinite(at):
        axes.axvline(10**at * end / 1e9, color="#b0641d", ls="--", lw=1, label="true takeoff")
    if takeoff.tokens is not None:
        low, high = takeoff.low or t.tokens[t.tokens > 0][0], takeoff.high or end
        axes.axvspan(low / 1e9, high / 1e9, color="#7a6ff0", alpha=0.2, label="reported takeoff")
        axes.axvline(takeoff.tokens / 1e9, color="#7a6ff0", lw=1)
    if cell.spacing == "pythia":
        axes.set_xscale("symlog", linthresh=float(t.tokens[1] / 1e9))
    axes.set_xlabel("training tokens, billions")
    axes.set_ylabel("score")
    axes.legend(frameon=False, fontsize=8)
    made.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(made)
    return f"delayed start {delay_outcome(delay)}, takeoff {location(takeoff)}"


def sections(table: dict[str, Any], images: Path, options: Options) -> Iterator[str]:
    """Yield a section a kind that misses a target: what to know, the picture, the figures."""
    for kind, cells in missed(table).items():
        title, text = KINDS[kind]
        worst = max(cells, key=lambda c: max(_excess(c, t) for t in c["targets"]))
        figure = max(worst["targets"], key=lambda t: _excess(worst, t))["figure"]
        cell = chosen("standard", [worst["cell"]])[0]
        path = images / f"misleading_{kind}.png"
        said = picture(cell, *example(cell, figure, options), path)
        name = worst["cell"].removeprefix("pathology/")
        lines = [f"### {title}", "", text, "", f"![{title}: {name}](images/{path.name})", "",
                 f"*`{name}`: {cell.curve.about}. The report says: {said}.*", "",
                 "| log | figure | measured | held to | series |", "|---|---|---|---|---|"]  # fmt: skip
        for c in cells:
            for t in c["targets"]:
                value, what = c["figures"][t["figure"]], FIGURES[t["figure"]]
                measured = f"{value['value']:.3f} ± {value['error']:.3f}"
                bound = Target(t["figure"], t["low"], t["high"]).text
                name = c["cell"].removeprefix("pathology/")
                lines.append(f"| {name} | {what} | {measured} | {bound} | {c['replicates']} |")
        yield "\n".join(lines)


def _excess(cell: dict[str, Any], target: dict[str, Any]) -> float:
    """Return how far a figure lies beyond its bound."""
    value = cell["figures"][target["figure"]]["value"]
    return max((target["low"] or -np.inf) - value, value - (np.inf if target["high"] is None else target["high"]))


def main(words: Sequence[str] | None = None) -> int:
    """Write the pictures and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=Path("docs/benchmarks/pathologies.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/MISLEADING.md"))
    parser.add_argument("--images", type=Path, default=Path("docs/images"))
    given = parser.parse_args(words)
    try:
        table = json.loads(given.table.read_text(encoding="utf-8"))
        options = Options(seed=table["settings"]["seed"], boot=table["settings"]["boot"])
        whole = len(table["cells"])
        body = list(sections(table, given.images, options))
        near = sum(t["verdict"] == "missed?" for cell in table["cells"] for t in cell["targets"])
        intro = (
            f"{whole} designs were simulated; {len(body)} of {len(KINDS)} kinds clearly miss a target, and {near} more "
            "figures miss theirs by less than two standard errors."
        )
        between_markers(given.page, "\n\n".join([intro, *body]))
    except (OSError, ValueError, KeyError) as error:
        parser.error(
            f"{given.table} is no table of tests.benchmarks.pathologies ({type(error).__name__}); make it first"
        )
    except UserError as error:
        parser.error(str(error))
    print(f"wrote {given.page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Tables of the suite: its cells, and their figures beside what they are held to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from calque.data.quantities import plural
from calque.phases.calibration.cells import LAG, SUITE, Cell
from calque.phases.calibration.grids import Grid, figure_text, figures_json
from calque.phases.calibration.outcomes import Options
from calque.phases.calibration.run import Result, verdict
from calque.phases.calibration.sources import source_digest

HEADS = {
    "rejected": "rejected", "steep": "T^2 or more", "overstated": "bound too high", "reported": "reported",
    "coverage": "coverage", "covered_if_reported": "coverage if reported", "open": "open", "width": "width",
    "t50_coverage": "t50 coverage", "error": "error", "peak_coverage": "peak: coverage if reported",
    "peak_width": "peak: width", "decline_coverage": "decline: coverage if reported", "decline_width": "decline: width",
    "late": "late", "early": "decades early",
}  # fmt: skip
SECONDS = {"delay": 0.12, "takeoff": 0.15, "peak": 0.17, "lag": 0.35, "crossover": 0.35, "report": 0.2}
"""Processor time of one replicate with 200 checkpoints and 199 bootstrap replicates, for a forecast of the whole."""
TABLES = {
    "delay/size": ("Delay: size (growth that is concave in tokens)", ("rejected",)),
    "delay/elasticity": ("Delay: elasticity bound against the true elasticity", ("overstated", "rejected", "steep")),
    "takeoff": (
        "Takeoff: coverage and width, with the delay test's power",
        ("coverage", "width", "reported", "covered_if_reported", "open", "t50_coverage", "rejected", "steep"),
    ),
    "peak": (
        "Peak and decline (half of the fall)",
        ("reported", "peak_coverage", "peak_width", "decline_coverage", "decline_width"),
    ),
    "lag/size": ("Lag: size (takeoffs at the same time)", ("rejected", "coverage", "width", "reported", "open")),
    "lag/power": (f"Lag: power ({LAG:g} decades apart)", ("rejected", "coverage", "width", "reported", "open")),
    "crossover": ("Crossover: one score overtakes another", ("coverage", "width", "reported", "open")),
    "pathology": (
        "Pathologies: what the report says of logs that mislead",
        ("late", "reported", "covered_if_reported", "coverage", "early", "width"),
    ),
}
"""Beginning of the cells' names, title, figures."""


def verdicts_text(result: Result) -> str:
    """Return the verdicts on the targets of a ``result``: met, or each that was missed or is within error."""
    found = [(t, result.figures.get(t.figure)) for t in result.cell.targets]
    words = [(t, f, verdict(t, f)) for t, f in found if f is not None]
    words = [w for w in words if w[2]]
    if not words:
        return "–"
    wrong = [f"{w}: {HEADS[t.figure]}" for t, _, w in words if w != "met"]
    return "; ".join(wrong) or "met"


def targets_text(cell: Cell) -> str:
    """Return the targets of ``cell`` as text."""
    held = (f"{HEADS[t.figure]} {t.text}" for t in cell.targets if t.low is not None or t.high is not None)
    return ", ".join(held) or "–"


def suite_grids(results: Sequence[Result]) -> Iterator[Grid]:
    """Yield one table a question, its rows in the order of ``results``."""
    for prefix, (title, shown) in TABLES.items():
        mine = [r for r in results if r.cell.name.startswith(prefix + "/")]
        if not mine:
            continue
        names = [n for n in shown if any(n in r.figures for r in mine)]
        heads = ("cell", "series", *(HEADS[n] for n in names), "ms", "held to", "verdict")
        rows = tuple(
            (r.cell.name.removeprefix(prefix + "/"), str(r.n), *(figure_text(r.figures.get(n)) for n in names),
             f"{1e3 * r.seconds / max(r.n, 1):.0f}", targets_text(r.cell), verdicts_text(r))
            for r in mine
        )  # fmt: skip
        yield Grid(title, heads, rows)


def summary(results: Sequence[Result]) -> str:
    """Return one sentence: how many targets of ``results`` were met."""
    found = [verdict(t, r.figures[t.figure]) for r in results for t in r.cell.targets if t.figure in r.figures]
    words = [w.rstrip("?") for w in found if w]
    near = sum(w.endswith("?") for w in found)
    met, missed = words.count("met"), words.count("missed")
    return (
        f"{met} of {len(words)} targets met, {missed} missed; {near} lie within two standard errors of the bound (?)."
    )


def suite_json(results: Sequence[Result], suite: str, options: Options) -> dict[str, Any]:
    """Return the suite's figures as standard JSON; numbers that are not finite are null.

    Parameters
    ----------
    results : sequence of Result
        Figures of the cells.
    suite : str
        Name of the suite.
    options : Options
        Seed, and settings of the statistics.
    """
    cells = []
    for r in results:
        cells.append(
            {
                "cell": r.cell.name, "ask": r.cell.ask, "replicates": r.n, "seconds": round(r.seconds, 3),
                "figures": figures_json(r.figures),
                "targets": [
                    {"figure": t.figure, "low": t.low, "high": t.high, "verdict": verdict(t, r.figures[t.figure])}
                    for t in r.cell.targets
                    if t.figure in r.figures
                ],
            }
        )  # fmt: skip
    return {"schema": 1, "suite": suite, "version": SUITE, "settings": asdict(options), "cells": cells}


def suite_notes(results: Sequence[Result], suite: str, options: Options, unused: int = 0) -> list[str]:
    """Return the notes above the tables: how they were made, and how many targets were met.

    Parameters
    ----------
    results : sequence of Result
        Figures of the cells.
    suite : str
        Name of the suite.
    options : Options
        Seed, and settings of the statistics.
    unused : int
        Blocks of the file that have another key, see ``Store``.
    """
    minutes = sum(r.seconds for r in results) / 60
    notes = [
        f"Suite {suite}, version {SUITE}; seed {options.seed}, {plural(options.boot, 'bootstrap replicate')} a "
        f"series; sources {source_digest()}; {minutes:.0f} minutes of processor time. ± is one Monte Carlo standard "
        "error; widths are medians, in decades.",
        summary(results),
    ]
    if unused:
        notes.append(f"{plural(unused, 'block')} of the file not used: of another seed, setting, design or version.")
    return notes


def cells_grid(cells: Sequence[Cell], replicates: int | None) -> tuple[Grid, str]:
    """Return a table of cells with their targets and their time in minutes on one core, and a note with the sum.

    Parameters
    ----------
    cells : sequence of Cell
        The designs.
    replicates : int, optional
        Replicates of every cell; each cell's own number when None.
    """
    rows, total = [], 0.0
    for cell in cells:
        n = replicates or cell.replicates
        minutes = n * SECONDS[cell.ask] * (cell.checkpoints / 200) / 60
        total += minutes
        sd = " and ".join(f"{noise.sd:g}" for noise in dict.fromkeys((cell.noise, cell.noise_second)) if noise)
        design = f"{cell.checkpoints} {cell.spacing}, {plural(cell.trials, 'trial')}, rho {cell.noise.rho:g}, sd {sd}"
        curve = cell.curve.name + (f", {cell.second.name}" if cell.second else "")
        rows.append((cell.name, curve, design, targets_text(cell), str(n), f"{minutes:.1f}"))
    heads = ("cell", "curve", "design", "held to", "series", "minutes")
    note = (
        f"{plural(len(cells), 'cell')}, about {total:.0f} minutes on one core; fewer cells or replicates make it "
        "shorter."
    )
    return Grid("Cells", heads, tuple(rows)), note

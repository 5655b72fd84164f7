"""Simulated logs that mislead a detector, for tests: the cells ``pathology/*`` of the standard suite.

Curves, noise and logs are those of ``calque.phases.calibration.pathologies``; here they are drawn and asked about.
"""

from __future__ import annotations

from calque.phases.calibration.cells import Cell, chosen
from calque.phases.calibration.outcomes import Figure, Options
from calque.phases.calibration.run import draw, run
from calque.phases.series.trajectory import Trajectory


def cell(name: str) -> Cell:
    """Return the cell of a name such as ``falls/abrupt-fall``."""
    return chosen("standard", [f"pathology/{name}"])[0]


def series(name: str, replicate: int = 0, seed: int = 0) -> Trajectory:
    """Draw one series of a cell, as ``analyse`` takes it."""
    return draw(cell(name), replicate, seed)[0]


def figures(name: str, n: int, boot: int = 99, seed: int = 0) -> dict[str, Figure]:
    """Return what the report says of ``n`` series of a cell: late, reported, coverage and more, as shares of series."""
    return run([cell(name)], Options(seed=seed, boot=boot), replicates=n)[0].figures

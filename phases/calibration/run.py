"""Running a suite: every replicate has a generator of its own, blocks of replicates go to processes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from calque.phases.calibration.cells import SUITES, Cell, Target
from calque.phases.calibration.cost import in_words
from calque.phases.calibration.curves import overtaking, truth
from calque.phases.calibration.draws import schedule, series, shared_shifts
from calque.phases.calibration.outcomes import Columns, Figure, Options, Truth, answer, columns, figures
from calque.phases.calibration.store import Block, Store
from calque.phases.generators import generator
from calque.phases.processes import Progress, spread
from calque.phases.series.trajectory import Trajectory

BLOCK = 20
"""Replicates of one task; finished tasks are stored."""


@dataclass(frozen=True)
class Result:
    """Figures of one cell; ``seconds`` of processor time that its ``n`` replicates took."""

    cell: Cell
    n: int
    figures: dict[str, Figure]
    seconds: float


def verdict(target: Target, figure: Figure) -> str:
    """Return ``met`` or ``missed``, with ``?`` where a bound lies within two standard errors of the figure.

    Parameters
    ----------
    target : Target
        Bounds; without any the verdict is empty.
    figure : Figure
        Simulated value and its Monte Carlo standard error.
    """
    if figure.n == 0 or (target.low is None and target.high is None):
        return ""
    low = -np.inf if target.low is None else target.low
    high = np.inf if target.high is None else target.high
    word = "met" if low <= figure.value <= high else "missed"
    near = any(np.isfinite([b, figure.value]).all() and abs(figure.value - b) <= 2 * figure.error for b in (low, high))
    return word + "?" * near


def cell_truth(cell: Cell, rise: float) -> Truth:
    """Return the true values of the series of a cell.

    Parameters
    ----------
    cell : Cell
        The design.
    rise : float
        Height above the floor that defines takeoff.
    """
    s = schedule(cell.spacing, cell.checkpoints)
    s = s / s[-1]
    first = truth(cell.curve, s, rise)
    lag, crossover = np.nan, np.inf
    if cell.second is not None:
        lag = float(np.log(10.0) * (truth(cell.second, s, rise).takeoff - first.takeoff))
        crossover = overtaking(cell.curve, cell.second, s)
    return Truth(
        first.takeoff, first.t50, first.elasticity, lag, peak=first.peak, decline=first.decline, crossover=crossover
    )


def draw(cell: Cell, replicate: int, seed: int) -> tuple[Trajectory, ...]:
    """Return the series of one replicate: one, or two for a lag or a crossover.

    Parameters
    ----------
    cell : Cell
        The design.
    replicate, seed : int
        Number of the replicate and seed of the suite; together with the cell's name they give the generator.
    """
    rng = generator(seed, cell.name, replicate)
    tokens = schedule(cell.spacing, cell.checkpoints)
    name = f"{cell.name} {replicate}"
    if cell.second is None:
        return (series(rng, name, "score", cell.curve.score, tokens, cell.trials, cell.noise),)
    noise = cell.noise_second or cell.noise
    shifts = shared_shifts(rng, cell.checkpoints, cell.noise.rho, cell.shared)
    return (
        series(rng, name, "first", cell.curve.score, tokens, cell.trials, cell.noise, shifts[0]),
        series(rng, name, "second", cell.second.score, tokens, cell.trials, noise, shifts[1]),
    )


def simulate(cell: Cell, block: Block, options: Options) -> tuple[Columns, float]:
    """Simulate and analyse a block of replicates.

    Parameters
    ----------
    cell : Cell
        The design.
    block : Block
        Numbers of the replicates.
    options : Options
        Seed, and settings of the statistics.

    Returns
    -------
    found : dict of array, shape (replicates,)
        Answers as columns.
    seconds : float
        Processor time.
    """
    start = time.process_time()
    rows = range(block.first, block.first + block.n)
    found = [answer(draw(cell, r, options.seed), cell.ask, options, cell.schedule) for r in rows]
    return columns(found), time.process_time() - start


def _named(task: tuple[str, Block, Options]) -> tuple[Block, Columns, float]:
    """Simulate a block in another process, which finds the cell by name: its curves are functions, not picklable."""
    suite, block, options = task
    cell = next(cell for cell in SUITES[suite] if cell.name == block.cell)
    return block, *simulate(cell, block, options)


def missing(cell: Cell, replicates: int, store: Store) -> list[Block]:
    """Return the blocks that are not finished.

    Parameters
    ----------
    cell : Cell
        The design.
    replicates : int
        Replicates wanted.
    store : Store
        Finished blocks.
    """
    blocks = [Block(cell.name, r, min(BLOCK, replicates - r)) for r in range(0, replicates, BLOCK)]
    return [block for block in blocks if block not in store.blocks]


def run(
    cells: Sequence[Cell], options: Options, *, replicates: int | None = None, store: Store | None = None,
    jobs: int = 1, suite: str = "standard", progress: Progress | None = None,
) -> list[Result]:  # fmt: skip
    """Simulate the cells and return their figures.

    Cells advance together, block by block, so that a run stopped early is a smaller run of the same suite.

    Parameters
    ----------
    cells : sequence of Cell
        Cells of ``suite``.
    options : Options
        Seed, and settings of the statistics.
    replicates : int, optional
        Replicates of every cell; each cell's own number when None.
    store : Store, optional
        Keeps finished blocks; blocks that it already has are not simulated again.
    jobs : int
        Number of processes.
    suite : str
        Name of the suite.
    progress : callable, optional
        Called with replicates done, replicates in all, and the name of the cell.
    """
    store = store or Store(None, options)
    store.take(tuple(cells))
    of = {cell.name: cell for cell in cells}
    wanted = {cell.name: replicates or cell.replicates for cell in cells}
    todo = sorted((b for c in cells for b in missing(c, wanted[c.name], store)), key=lambda b: b.first)
    total = sum(wanted.values())
    done = total - sum(block.n for block in todo)
    if progress is not None:
        left = [(of[b.cell].ask, b.n, partial(simulate, of[b.cell], Block(b.cell, b.first, 1), options)) for b in todo]
        progress(done, total, in_words(left, jobs))
    for block, found, seconds in spread(_named, [(suite, block, options) for block in todo], jobs):
        store.add(of[block.cell], block, found, seconds)
        done += block.n
        if progress is not None:
            progress(done, total, block.cell)
    return [_result(cell, wanted[cell.name], store, options) for cell in cells]


def _result(cell: Cell, replicates: int, store: Store, options: Options) -> Result:
    found, seconds = store.gathered(cell, replicates)
    made = figures(found, cell.ask, cell_truth(cell, options.rise), options.level)
    return Result(cell, len(found["p"]), made, seconds)

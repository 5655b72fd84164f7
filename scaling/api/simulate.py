"""Simulating a cube of known truth: the function behind ``scaling simulate``."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from calque.data import cube as cubes
from calque.data.arguments import checked
from calque.data.cube.source import CubeLike, as_cube
from calque.scaling.checks import check_count
from calque.scaling.simulate.result import Simulation
from calque.scaling.simulate.simulate import simulate as draw
from calque.scaling.simulate.truth import Truth, read_truth


@checked
def simulate(
    truth: Truth | str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    like: CubeLike | None = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Simulation:
    """Draw a cube of item outcomes whose takeoffs, rates and lags are known.

    Parameters
    ----------
    truth : Truth or path
        What to draw from, or a YAML file such as docs/examples/truth.yaml.
    output : path, optional
        The netCDF file to write: the cube, and the true rates in its group ``truth``.
    like : xarray.Dataset, path, or result with a cube, optional
        A cube with item outcomes whose noise replaces that of ``truth``.
    seed : int
        The same seed gives the same cube.
    progress : callable, optional
        Called with (done, total, run) before each run.

    Raises
    ------
    UserError
        When the truth file or the cube cannot be used, a curve cannot have its takeoff, or the file cannot be written.
    """
    check_count("seed", seed, 0)
    known = truth if isinstance(truth, Truth) else read_truth(truth)
    if like is not None:
        from calque.scaling.simulate.like import noise_like

        known = known.model_copy(update={"noise": noise_like(as_cube(like)[0])})
    simulation = draw(known, seed, progress)
    if output is None:
        return simulation
    cubes.write(simulation.cube, output, groups={"truth": simulation.rates})
    return replace(simulation, path=os.fspath(output))

"""Fitting a law of the takeoff to a cube: the function behind ``scaling fit``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calque.data.arguments import checked, pairs
from calque.data.cube.source import CubeLike
from calque.scaling.checks import check_level
from calque.scaling.laws.fit import fit as fit_observations
from calque.scaling.laws.registry import law as law_named
from calque.scaling.laws.result import TakeoffFit
from calque.scaling.takeoffs import Progress, ladder_takeoffs


@checked
def fit(
    cube: CubeLike,
    *,
    law: str = "floor",
    metric: str = "translation",
    where: str | Sequence[str] | Mapping[str, object] = (),
    params: str | Sequence[str] | Mapping[str, object] = (),
    level: float = 0.95,
    boot: int = 199,
    seed: int = 0,
    rise: float = 0.05,
    progress: Progress | None = None,
) -> TakeoffFit:
    """Fit a law of the takeoff in non-embedding parameters, one takeoff for each run.

    Parameters
    ----------
    cube : xarray.Dataset, path, or result with a cube
        With runs of several sizes.
    law : str
        ``floor``, T0 + c N^-gamma, or ``power``, c N^-gamma.
    metric : str
        Whose takeoff.
    where : str, sequence of str, or mapping
        Keep only these runs: ``"mix=uniform"`` or ``{"mix": "uniform"}``.
    params : str, sequence of str, or mapping
        Non-embedding parameters of runs that the cube does not state: ``"RUN=COUNT"`` or ``{run: count}``.
    level : float
        Of the parameters' intervals, 0.5 to 1.
    boot : int
        Bootstrap draws for each run's takeoff.
    seed : int
        The same seed gives the same numbers.
    rise : float
        Takeoff is this far above the floor; of a continuous score, this share of its whole rise. Between 0 and 1.
    progress : callable, optional
        Called with (done, total, what).

    Returns
    -------
    TakeoffFit
        Too few sizes are an outcome, not an error.

    Raises
    ------
    UserError
        When the cube cannot be read or used, the law is unknown or a setting is out of range.
    """
    law_named(law)
    check_level(level)
    found = ladder_takeoffs(
        cube,
        metric,
        where=pairs(where, "where"),
        params=pairs(params, "params"),
        boot=boot,
        seed=seed,
        rise=rise,
        progress=progress,
    )
    fitted = fit_observations(found.observations, law, level=level, seed=seed)
    return TakeoffFit(metric=found.metric, fit=fitted, note=found.note, rise=rise, cube_name=found.cube_name)

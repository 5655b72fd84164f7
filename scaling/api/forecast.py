"""Forecasting the takeoff of a size that was not run: the function behind ``scaling forecast``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from calque.data.arguments import checked, pairs
from calque.data.cube.source import CubeLike
from calque.scaling.checks import check_level
from calque.scaling.forecast.forecast import forecast as forecast_observations
from calque.scaling.forecast.result import Forecast
from calque.scaling.named_sizes import parse_size
from calque.scaling.takeoffs import Progress, ladder_takeoffs


@checked
def forecast(
    cube: CubeLike,
    *,
    size: str | float,
    metric: str = "translation",
    where: str | Sequence[str] | Mapping[str, object] = (),
    params: str | Sequence[str] | Mapping[str, object] = (),
    level: float = 0.9,
    boot: int = 199,
    seed: int = 0,
    rise: float = 0.05,
    progress: Progress | None = None,
) -> Forecast:
    """Forecast the takeoff of a size that was not run, by the power law, the floor law and their average.

    Parameters
    ----------
    cube : xarray.Dataset, path, or result with a cube
        With runs of several sizes.
    size : str or float
        In non-embedding parameters, ``350m`` or a number; ``69m`` to ``1.7b`` name the sizes of Calque's ladder.
    metric : str
        Whose takeoff.
    where : str, sequence of str, or mapping
        Keep only these runs: ``"mix=uniform"`` or ``{"mix": "uniform"}``.
    params : str, sequence of str, or mapping
        Non-embedding parameters of runs that the cube does not state: ``"RUN=COUNT"`` or ``{run: count}``.
    level : float
        Of the forecast's interval, 0.5 to 1.
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
    Forecast
        Too few sizes are an outcome, not an error.

    Raises
    ------
    UserError
        When the cube cannot be read or used, or a setting is out of range.
    """
    name = size if isinstance(size, str) else f"{size:.10g}"
    parse_size(name)
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
    result = forecast_observations(found.observations, name, metric=found.metric, level=level, seed=seed)
    sentences = (found.note, *result.sentences) if found.note else result.sentences
    return replace(result, sentences=sentences, rise=rise, cube_name=found.cube_name)

"""Comparing the mixes of a cube: the function behind ``scaling mixes``."""

from __future__ import annotations

from calque.data.arguments import checked
from calque.data.cube.source import CubeLike, as_cube
from calque.data.errors import UserError
from calque.phases.series.names import written_name
from calque.scaling.checks import check_level
from calque.scaling.laws.share import fit_shares
from calque.scaling.mixes.by_language import observe_languages
from calque.scaling.mixes.contrast import contrasts, distinct_mixes
from calque.scaling.mixes.mixed_model import mixed_contrasts
from calque.scaling.mixes.repetition import repetition_notes
from calque.scaling.mixes.result import LanguageComparison, MixComparison
from calque.scaling.observations import observe
from calque.scaling.run_values import run_labels
from calque.scaling.takeoffs import Progress, detected


@checked
def mixes(
    cube: CubeLike,
    *,
    metric: str = "translation",
    by_language: bool = False,
    level: float = 0.95,
    boot: int = 199,
    seed: int = 0,
    rise: float = 0.05,
    progress: Progress | None = None,
) -> MixComparison:
    """Contrast the takeoffs of mixes, seeds as replicates.

    Parameters
    ----------
    cube : xarray.Dataset, path, or result with a cube
        With runs of several mixes.
    metric : str
        Whose takeoff.
    by_language : bool
        Also by language translated into: contrasts, a mixed model and the law in shares and overlap.
    level : float
        Of the intervals, 0.5 to 1.
    boot : int
        Bootstrap draws for each takeoff.
    seed : int
        The same seed gives the same numbers.
    rise : float
        Takeoff is this far above the floor; of a continuous score, this share of its whole rise. Between 0 and 1.
    progress : callable, optional
        Called with (done, total, what).

    Raises
    ------
    UserError
        When the cube cannot be read, lacks mixes, sizes or takeoffs, or a setting is out of range.
    """
    check_level(level)
    data, name = as_cube(cube)
    names = run_labels(data, "mix")
    if names is None:
        raise UserError("the cube has no run coordinate 'mix'; expected one that names two mixes or more")
    distinct_mixes(names)  # before the takeoffs, which take long
    metric = written_name(data, metric)
    found = detected(data, metric, boot=boot, seed=seed, rise=rise, progress=progress)
    observations = observe(data, found.transitions, metric, found.likelihoods)
    compared = contrasts(observations, level=level, seed=seed)
    languages = None
    if by_language:
        found = detected(data, metric, boot=boot, seed=seed, rise=rise, by=("target",), progress=progress)
        split = observe_languages(data, found.transitions, metric, found.likelihoods)
        languages = LanguageComparison(
            contrasts=contrasts(split, level=level, seed=seed),
            mixed_model=mixed_contrasts(split, level=level),
            shares=fit_shares(split, level=level),
        )
    return MixComparison(
        metric=metric, level=level, contrasts=compared, observations=observations, by_language=languages,
        rise=rise, cube_name=name, repetition=repetition_notes(data),
    )  # fmt: skip

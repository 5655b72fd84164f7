"""Options and checks that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from calque.data.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

    from calque.scaling.observations import Found, Observation

Where = Annotated[
    list[str] | None,
    typer.Option(metavar="COORD=VALUE", help="Keep only these runs, for example mix=uniform; may be given again."),
]
Params = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RUN=COUNT", help="Non-embedding parameters of a run, where the cube does not know; may be given again."
    ),
]
Picture = Annotated[str | None, typer.Option(metavar="FILE", help="Draw it: a name ending in .png, .svg or .pdf.")]


def check_level(level: float) -> None:
    """Refuse a level that is none."""
    if not 0.5 <= level < 1:
        raise UserError(f"`level` is {level:g}; expected at least 0.5 and less than 1, such as 0.9")


def observe_cube(
    path: str, metric: str, where: list[str] | None, params: list[str] | None, boot: int, seed: int
) -> tuple[tuple[Observation, ...], str | None]:
    """Return the takeoff of every run of one ladder, and a sentence when runs were left out."""
    from calque.data import cube as cubes
    from calque.scaling.ladder import select, with_sizes
    from calque.scaling.observations import observe

    cube, note = select(with_sizes(cubes.read(path), params or ()), where or ())
    return observe(cube, transitions(cube, metric, boot, seed), metric), note


def transitions(cube: xr.Dataset, metric: str, boot: int, seed: int, by: tuple[str, ...] = ("run",)) -> list[Found]:
    """Return what ``phases detect`` finds of one metric, with a progress bar."""
    from calque.data.command_line.progress import progress
    from calque.phases.detection.detect import detect
    from calque.phases.settings import Settings

    settings = Settings(metrics=(metric,), boot=boot, seed=seed, by=by)
    with progress() as shown:
        return list(detect(cube, settings, shown).transitions)

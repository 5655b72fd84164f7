"""Options and checks that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from calque.data.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

    from calque.phases.results import Transition
    from calque.scaling.observations import Observation

Json = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write JSON to FILE, or to - (standard output).")
]
Metric = Annotated[str, typer.Option(help="Whose takeoff: translation, copying, or any metric that phases detects.")]
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
Boot = Annotated[int, typer.Option(min=19, help="Bootstrap draws of phases detect, a run.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same numbers.")]


Picture = Annotated[str | None, typer.Option(metavar="FILE", help="Draw it: a name ending in .png, .svg or .pdf.")]
Cube = Annotated[str, typer.Argument(metavar="CUBE", help="A netCDF cube with runs of several sizes.")]


def check_level(level: float) -> None:
    """Refuse a level that is none."""
    if not 0.5 <= level < 1:
        raise UserError(f"--level is {level:g}; expected at least 0.5 and less than 1, such as 0.9")


def observe_cube(
    path: str, metric: str, where: list[str] | None, params: list[str] | None, boot: int, seed: int
) -> tuple[tuple[Observation, ...], str | None]:
    """Return the takeoff of every run of one ladder, and a sentence when runs were left out."""
    from calque.data import cube as cubes
    from calque.scaling.ladder import select, with_sizes
    from calque.scaling.observations import observe

    cube, note = select(with_sizes(cubes.read(path), params or ()), where or ())
    return observe(cube, transitions(cube, metric, boot, seed), metric), note


def transitions(
    cube: xr.Dataset, metric: str, boot: int, seed: int, by: tuple[str, ...] = ("run",)
) -> list[Transition]:
    """Return what ``phases detect`` finds of one metric, with a progress bar."""
    from calque.phases.detection.detect import detect
    from calque.phases.settings import Settings
    from calque.scaling.commands.tables import working

    settings = Settings(metrics=(metric,), boot=boot, seed=seed, by=by)
    with working() as progress:
        return list(detect(cube, settings, progress).transitions)

"""``scaling forecast``: forecast the takeoff of a size not run."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import CUBE, Boot, Json, Level, Metric, Rise, Seed
from calque.data.command_line.output import emit_json
from calque.scaling.commands.common import Params, Picture, Where


def forecast_command(
    cube: Annotated[str, CUBE],
    size: Annotated[
        str,
        typer.Option(
            help="Size not run, in non-embedding parameters: 350m, 2.5b or a number; the words of Calque's ladder, "
            "69m to 1.7b, name those sizes (1,132,562,432 of the last's 1,669,433,344 parameters are non-embedding)."
        ),
    ],
    metric: Metric = "translation",
    where: Where = None,
    params: Params = None,
    level: Level = 0.9,
    boot: Boot = 199,
    seed: Seed = 0,
    rise: Rise = 0.05,
    picture: Picture = None,
    json: Json = None,
) -> None:
    """Forecast the takeoff of a size that was not run, by the power law, the floor law and their average.

    The interval adds parameters, seeds and, where sizes can be left out, the law's own misses. Too few sizes
    are an answer, not a failure: it is printed and the exit code is 0.

    For example: scaling forecast truth.nc --size 1.7b --json forecast.json
    """
    from calque.data.command_line.progress import progress
    from calque.phases.noise.compiled import announce_compiling
    from calque.phases.report.forecast_pictures import law_figure
    from calque.scaling.api.forecast import forecast
    from calque.scaling.commands.pictures import check_picture, save

    check_picture(picture)
    announce_compiling()
    with progress() as shown:
        result = forecast(
            cube, size=size, metric=metric, where=where or (), params=params or (), level=level, boot=boot, seed=seed,
            rise=rise, progress=shown,
        )  # fmt: skip
    if picture is not None:
        save(law_figure(result.to_dict()), picture, "no law gives a forecast")
    if not emit_json(json, result.to_dict()):
        result.show()

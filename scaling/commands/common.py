"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

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

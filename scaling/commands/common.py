"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

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

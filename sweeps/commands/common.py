"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[Path, typer.Argument(help="Study file, such as sweeps/quick.yaml.", show_default=False)]
Results = Annotated[
    str | None,
    typer.Option(
        help="Folder for results, or an address such as s3://bucket/full; by default NAME in CALQUE_RESULTS, "
        "the study's key 'results', or results/NAME."
    ),
]
Anonymous = Annotated[
    bool,
    typer.Option(
        "--anonymous", help="Leave out of the cube what tells its maker: environment, absolute paths, addresses."
    ),
]

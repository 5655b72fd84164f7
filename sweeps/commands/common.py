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
WHERE = "Which checkpoints, and where in training they stand"
"""Panel of the options that choose existing checkpoints."""
Revisions = Annotated[
    str | None,
    typer.Option(help="Names or patterns such as 'step*', with commas between, or all.", rich_help_panel=WHERE),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        help="How a name gives its position: {step} or {tokens} where it stands, * for anything.",
        rich_help_panel=WHERE,
    ),
]
TokensPerStep = Annotated[
    str | None, typer.Option(help="Tokens of an optimizer step, such as 2M or 2097152.", rich_help_panel=WHERE)
]
Positions = Annotated[
    Path | None,
    typer.Option(help="CSV file with columns revision,tokens and, where it is known, step.", rich_help_panel=WHERE),
]

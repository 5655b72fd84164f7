"""``scaling loss``: fit a law of held-out loss and predict a run that was not made."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import Json, Level, Seed
from calque.data.command_line.output import emit_json
from calque.scaling.commands.common import Picture


def loss_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="CSV|CUBE", help="CSV with columns n, d, loss (and run, share, unique, other, language), or a cube."
        ),
    ],
    law: Annotated[str, typer.Option(help="chinchilla, share, repeated, transfer, broken or broken:K.")] = "chinchilla",
    loss: Annotated[str, typer.Option(help="huber, lad, gaussian or quantile; of ln loss.")] = "huber",
    delta: Annotated[float, typer.Option(help="Where Huber's loss turns straight.")] = 1e-3,
    tau: Annotated[float, typer.Option(help="The quantile, for --loss quantile.")] = 0.5,
    at: Annotated[
        str | None,
        typer.Option(metavar="N,D", help="Predict the loss of a run of N parameters and D tokens: 1.7b,37b."),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Keep this language's rows.")] = None,
    drop_highest: Annotated[int, typer.Option(min=0, help="Leave out this many rows of highest loss.")] = 0,
    boot: Annotated[int, typer.Option(min=19, help="Resamples of whole runs.")] = 1000,
    level: Level = 0.9,
    seed: Seed = 0,
    picture: Picture = None,
    json: Json = None,
) -> None:
    """Fit a law of held-out loss: thousands of starts, runs resampled whole, every parameter's profile.

    Where the points leave a parameter open no prediction is given, but the run that would sharpen it most.

    For example: scaling loss points.csv --at 3b,60b
    """
    from calque.data.command_line.progress import progress
    from calque.phases.report.loss_pictures import isoflop_figure
    from calque.scaling.api.loss import loss as fit_report
    from calque.scaling.commands.pictures import check_picture, save

    check_picture(picture)
    with progress() as shown:
        report = fit_report(
            source, law=law, loss=loss, delta=delta, tau=tau, at=at, language=language, drop_highest=drop_highest,
            boot=boot, level=level, seed=seed, progress=shown,
        )  # fmt: skip
    if picture is not None:
        save(isoflop_figure(report.to_dict()), picture, "the isoFLOP view is of a fitted chinchilla law")
    if not emit_json(json, report.to_dict()):
        report.show()

"""``scaling loss``: fit a law of held-out loss and predict a run that was not made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from calque.data.command_line.options import Json, Level, Seed
from calque.data.command_line.output import emit_json
from calque.data.errors import UserError, nearest
from calque.scaling.commands.common import Picture, check_level

if TYPE_CHECKING:
    from calque.scaling.loss.points import Points


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
    """
    import numpy as np

    from calque.data.command_line.progress import progress
    from calque.phases.report.loss_pictures import isoflop_figure
    from calque.scaling.commands.pictures import check_picture, save
    from calque.scaling.loss.fit import fit_loss
    from calque.scaling.loss.isoflop import isoflop_view
    from calque.scaling.loss.objective import Objective
    from calque.scaling.loss.report import answer, print_loss

    check_level(level)
    check_picture(picture)
    objective = Objective(kind=loss, delta=delta, tau=tau)  # type: ignore[arg-type]
    points = _read(source)
    if language is not None:
        known = [] if points.language is None else np.unique(points.language).tolist()
        if language not in known:
            expected = ", ".join(known) or "a column 'language' first"
            raise UserError(f"--language {language}: no such rows; expected {expected}{nearest(language, known)}")
        assert points.language is not None
        points = points.take(points.language == language)
    if drop_highest:
        if drop_highest >= len(points):
            raise UserError(f"--drop-highest {drop_highest}: there are {len(points)} rows; expected fewer")
        points = points.take(np.sort(np.argsort(points.loss, kind="stable")[: len(points) - drop_highest]))
    target = None if at is None else _target(at, points)
    with progress() as shown:
        fitted = fit_loss(points, law, objective=objective, level=level, boot=boot, seed=seed, progress=shown)
    told = answer(fitted, target)
    report = {"schema": 1, "source": source, **fitted.to_dict(), **told, "isoflop": isoflop_view(fitted)}
    if picture is not None:
        save(isoflop_figure(report), picture, "the isoFLOP view is of a fitted chinchilla law")
    if not emit_json(json, report):
        print_loss(fitted, told)


def _read(source: str) -> Points:
    from pathlib import Path

    from calque.data import cube as cubes
    from calque.scaling.loss.points import cube_points, read_points

    if Path(source).suffix.lower() in (".csv", ".txt"):
        return read_points(Path(source))
    return cube_points(cubes.read(source))


def _target(at: str, points: Points) -> Points:
    """Return the run of ``--at`` with the largest run's other columns."""
    from dataclasses import replace

    import numpy as np

    from calque.scaling.named_sizes import parse_amount, parse_size

    n, comma, d = at.partition(",")
    if not comma:
        raise UserError(f"--at {at!r} is no run; expected parameters and tokens as 1.7b,37b")
    largest = points.take(np.array([int(np.argmax(points.n * points.d))]))
    return replace(largest, n=np.array([parse_size(n, "--at")]), d=np.array([parse_amount(d, "--at")]))

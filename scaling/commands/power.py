"""``scaling power``: what a study can detect before it is paid for."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import Json, Level
from calque.data.command_line.output import emit_json
from calque.scaling.commands.common import Picture


def power_command(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY", help="A study's YAML, the JSON of 'sweeps plan STUDY --json', a truth YAML or a cube."
        ),
    ],
    target: Annotated[
        float, typer.Option(help="Ratio of takeoffs between two mixes to be detected, for the cheapest design.")
    ] = 1.25,
    power: Annotated[float, typer.Option(help="Probability of detecting it.")] = 0.8,
    level: Level = 0.95,
    seed_sd: Annotated[float, typer.Option(help="SD of ln T between seeds.")] = 0.06,
    width: Annotated[float, typer.Option(help="Width of the logistic rise, in ln tokens.")] = 0.25,
    floor: Annotated[float, typer.Option(help="Score before.")] = 0.01,
    end: Annotated[float, typer.Option(help="Score after.")] = 0.5,
    midpoint: Annotated[float, typer.Option(help="Tokens of the rise's middle over the run's.")] = 0.3,
    level_sd: Annotated[float, typer.Option(min=0, help="SD of a checkpoint's level shift, logit scale.")] = 0.0,
    rho: Annotated[
        float, typer.Option(min=0, max=0.99, help="Its correlation between neighbouring checkpoints.")
    ] = 0.0,
    checkpoints: Annotated[int | None, typer.Option(min=6, help="Where the study does not say.")] = None,
    concepts: Annotated[
        int | None, typer.Option(min=2, help="Independent items a checkpoint; where it does not say.")
    ] = None,
    params: Annotated[
        str | None, typer.Option(help="Parameters of a run, for the cost; where it does not say.")
    ] = None,
    tokens: Annotated[str | None, typer.Option(help="Tokens of a run, for the cost; where it does not say.")] = None,
    picture: Picture = None,
    json: Json = None,
) -> None:
    """Show how small a shift in takeoff the study detects, by seeds x checkpoints x concepts, and the cheapest design.

    Two mixes, seeds as replicates, a two-sided t test. Cost: 6 N D FLOPs a run, and 2 N a token asked. What a run's
    takeoff is known to is what maximum likelihood attains on simulated runs; ``phases``, which assumes no family, needs
    more.

    For example: scaling power results.nc --target 1.3 --json power.json
    """
    from calque.phases.report.power_pictures import power_figure
    from calque.scaling.api.power import power as analyse
    from calque.scaling.commands.pictures import check_picture, save

    check_picture(picture)
    result = analyse(
        study, target=target, power=power, level=level, seed_sd=seed_sd, width=width, floor=floor, end=end,
        midpoint=midpoint, level_sd=level_sd, rho=rho, checkpoints=checkpoints, concepts=concepts, params=params,
        tokens=tokens,
    )  # fmt: skip
    if picture is not None:
        save(power_figure(result.to_dict()), picture, "no design")
    if not emit_json(json, result.to_dict()):
        result.show()

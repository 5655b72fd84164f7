"""``scaling plan``: a ladder of sizes, seeds and mixes under a budget."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import Json
from calque.data.command_line.output import emit_json


def plan_command(
    budget: Annotated[float, typer.Option(help="How much may be spent, in --unit.")],
    unit: Annotated[str, typer.Option(help="h200-hours, h100-hours, a100-hours or flops.")] = "h200-hours",
    size: Annotated[str, typer.Option(help="Size to be forecast, in non-embedding parameters.")] = "1.7b",
    mixes: Annotated[int, typer.Option(min=1, help="Mixes, all run at every size.")] = 1,
    attained: Annotated[
        float | None, typer.Option(help="Share of the device's peak that training attains.", show_default="0.4")
    ] = None,
    margin: Annotated[float, typer.Option(help="Tokens of a run over its expected takeoff.")] = 2.0,
    t0: Annotated[float, typer.Option(min=0, help="Expected law T0 + c N^-gamma: T0 in tokens.")] = 4e9,
    c: Annotated[float, typer.Option(min=0, help="Expected law: c.")] = 5.8e14,
    gamma: Annotated[float, typer.Option(help="Expected law: gamma.")] = 0.6,
    seed_sd: Annotated[float, typer.Option(min=1e-6, help="Expected SD of ln T between seeds.")] = 0.06,
    se: Annotated[float, typer.Option(min=0, help="Expected standard error of a located ln T.")] = 0.03,
    json: Json = None,
) -> None:
    """List ladders under a budget, the sharpest forecast first.

    A run of N parameters costs 6 N D FLOPs with D = margin x its expected takeoff; an hour buys peak x attained x 3600.
    The interval is what the floor law's information and the seeds' scatter leave, were the expected law true.

    For example: scaling plan --budget 5000
    """
    from calque.scaling.api.plan import plan

    result = plan(
        budget, unit=unit, size=size, mixes=mixes, attained=attained, margin=margin, t0=t0, c=c, gamma=gamma,
        seed_sd=seed_sd, se=se,
    )  # fmt: skip
    if not emit_json(json, result.to_dict()):
        result.show()

"""``sweeps plan``: what a study will cost."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import Json
from calque.data.command_line.output import emit_json
from calque.sweeps.commands.common import Results, StudyFile


def plan_command(
    study: StudyFile,
    device: Annotated[
        str | None,
        typer.Option(help="cpu (one core), a100, h100, h200 or b200; by default h200 for bfloat16, cpu for float32."),
    ] = None,
    flops: Annotated[
        float | None, typer.Option(help="Peak FLOP/s of a device that is not named there, such as 165e12.")
    ] = None,
    utilisation: Annotated[float, typer.Option(help="Share of the peak that training's own FLOPs reach.")] = 0.4,
    nodes: Annotated[
        str | None, typer.Option(help="A cluster such as 2x8gpu64cpu,4x32cpu: when the study ends there.")
    ] = None,
    price: Annotated[float | None, typer.Option(help="Price of an hour of a device, in any currency.")] = None,
    pilot: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Cube of an earlier study: which metrics told its runs apart, how cheaply."),
    ] = None,
    results: Results = None,
    json_file: Json = None,
) -> None:
    """Print the cost estimate of a study: runs, parameters, FLOPs, memory, time, disk, epochs. Starts nothing.

    For example: sweeps plan sweeps/full.yaml --device h200 --json plan.json
    """
    from calque.sweeps.api.plan import plan

    found = plan(
        study,
        device=device,
        flops=flops,
        utilisation=utilisation,
        nodes=nodes,
        price=price,
        results=results,
        pilot=pilot,
    )
    if not emit_json(json_file, found.to_dict()):
        found.show()

"""``scaling simulate``: write a cube of known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import OUTPUT_CUBE, Json, Seed
from calque.data.command_line.output import check_json, check_output, emit_json


def simulate_command(
    truth: Annotated[str, typer.Argument(metavar="TRUTH.yaml", help="See docs/examples/truth.yaml.")],
    output: Annotated[str, OUTPUT_CUBE],
    like: Annotated[
        str | None, typer.Option(metavar="CUBE", help="Take the noise from this cube's item outcomes, not from TRUTH.")
    ] = None,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Write a cube of item outcomes whose takeoffs, rates and lags are known.

    The truth stands in the cube's attribute truth_json and, as curves, in its group /truth.

    For example: scaling simulate truth.yaml -o truth.nc
    """
    from calque.data.command_line.progress import progress
    from calque.scaling.api.simulate import simulate

    check_output(Path(output))
    check_json(json)
    with progress() as shown:
        simulation = simulate(truth, output=output, like=like, seed=seed, progress=shown)
    if not emit_json(json, simulation.to_dict()):
        simulation.show()

"""``scaling simulate``: write a cube of known truth."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.output import emit_json
from calque.scaling.commands.common import Json, Seed


def simulate_command(
    truth: Annotated[str, typer.Argument(metavar="TRUTH.yaml", help="See docs/examples/truth.yaml.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="CUBE", help="The netCDF file to write.")],
    like: Annotated[
        str | None, typer.Option(metavar="CUBE", help="Take the noise from this cube's item outcomes, not from TRUTH.")
    ] = None,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Write a cube of item outcomes whose takeoffs, rates and lags are known.

    The truth stands in the cube's attribute truth_json and, as curves, in its group /truth.
    """
    from calque.scaling.api.simulate import simulate
    from calque.scaling.commands.progress import working
    from calque.scaling.simulate.tables import print_simulation

    with working() as progress:
        simulation = simulate(truth, output=output, like=like, seed=seed, progress=progress)
    if not emit_json(json, simulation.to_dict()):
        print_simulation(simulation)

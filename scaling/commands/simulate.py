"""``scaling simulate``: write a cube of known truth."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import OUTPUT_CUBE, Json, Seed
from calque.data.command_line.output import emit_json


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
    """
    from calque.data import cube as cubes
    from calque.data.command_line.progress import progress
    from calque.scaling.commands import tables
    from calque.scaling.simulate.simulate import simulate, truth_of
    from calque.scaling.simulate.truth import read_truth

    checked = read_truth(truth)
    if like is not None:
        from calque.scaling.simulate.like import noise_like

        checked = checked.model_copy(update={"noise": noise_like(cubes.read(like))})
    with progress() as shown:
        simulation = simulate(checked, seed, shown)
    cubes.write(simulation.cube, output, groups={"truth": simulation.rates})
    if not emit_json(json, {"cube": output, **truth_of(simulation.cube)}):
        tables.print_simulation(simulation, output)

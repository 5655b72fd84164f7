"""The command ``scaling``: simulated cubes, laws across sizes, forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import UserError, guard

if TYPE_CHECKING:
    from scaling.observations import Observation

app = typer.Typer(
    help="How the transition moves with model size: simulated cubes of known truth, laws, forecasts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write JSON to FILE, or to - (standard output).")
]
Metric = Annotated[str, typer.Option(help="Whose takeoff: translation, copying, or any metric that phases detects.")]
Where = Annotated[
    list[str] | None,
    typer.Option(metavar="COORD=VALUE", help="Keep only these runs, for example mix=uniform; may be given again."),
]
Boot = Annotated[int, typer.Option(min=19, help="Bootstrap draws of phases detect, a run.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same numbers.")]


@app.command("simulate")
def simulate_command(
    truth: Annotated[str, typer.Argument(metavar="TRUTH.yaml", help="See docs/examples/truth.yaml.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="CUBE", help="The netCDF file to write.")],
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Write a cube of item outcomes whose takeoffs, rates and lags are known.

    The truth stands in the cube's attribute truth_json and, as curves, in its group /truth.
    """
    from data import cube as cubes
    from scaling import tables
    from scaling.simulate import simulate, truth_of
    from scaling.truth import read_truth

    checked = read_truth(truth)
    with tables.working() as progress:
        simulation = simulate(checked, seed, progress)
    cubes.write(simulation.cube, output, groups={"truth": simulation.rates})
    if json is not None:
        tables.write_json({"cube": output, **truth_of(simulation.cube)}, json)
    if json != "-":
        tables.print_simulation(simulation, output)


@app.command("fit")
def fit_command(
    cube: Annotated[str, typer.Argument(metavar="CUBE", help="A netCDF cube with runs of several sizes.")],
    law: Annotated[str, typer.Option(help="floor: T0 + c N^-gamma; power: c N^-gamma.")] = "floor",
    metric: Metric = "translation",
    where: Where = None,
    level: Annotated[float, typer.Option(help="Of the parameters' intervals.")] = 0.95,
    boot: Boot = 199,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Fit a law of the takeoff in non-embedding parameters, one takeoff a run.

    Too few sizes are an answer, not a failure: it is printed and the exit code is 0.
    """
    from scaling import laws, tables
    from scaling.fit import fit

    laws.law(law)
    _check_level(level)
    observations, note = _observe(cube, metric, where, boot, seed)
    fitted = fit(observations, law, level=level, seed=seed)
    if json is not None:
        report = {"schema": 1, "cube": cube, "metric": metric, "note": note, **fitted.to_dict()}
        tables.write_json({**report, "transitions": [o.to_dict() for o in observations]}, json)
    if json != "-":
        tables.print_fit(fitted)
        if note:
            tables.console().print(note, soft_wrap=True)


@app.command("forecast")
def forecast_command(
    cube: Annotated[str, typer.Argument(metavar="CUBE", help="A netCDF cube with runs of several sizes.")],
    size: Annotated[
        str,
        typer.Option(
            help="Size not run, in non-embedding parameters: 350m, 2.5b or a number; 1.7b is Calque's full "
            "size (1,132,562,432 of its 1,669,433,344 parameters are non-embedding)."
        ),
    ],
    metric: Metric = "translation",
    where: Where = None,
    level: Annotated[float, typer.Option(help="Of the forecast's interval.")] = 0.9,
    boot: Boot = 199,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Forecast the takeoff of a size that was not run, by the power and the floor law.

    The interval adds parameters, seeds and, where sizes can be left out, the law's own misses. Too few sizes
    are an answer, not a failure: it is printed and the exit code is 0.
    """
    from dataclasses import replace

    from scaling import tables
    from scaling.forecast import forecast, parse_size

    parse_size(size)
    _check_level(level)
    observations, note = _observe(cube, metric, where, boot, seed)
    result = forecast(observations, size, metric=metric, level=level, seed=seed)
    if note:
        result = replace(result, sentences=(note, *result.sentences))
    if json is not None:
        tables.write_json(result.to_dict(cube), json)
    if json != "-":
        tables.print_forecast(result)


def _check_level(level: float) -> None:
    if not 0.5 <= level < 1:
        raise UserError(f"--level is {level:g}; expected at least 0.5 and less than 1, such as 0.9")


def _observe(
    path: str, metric: str, where: list[str] | None, boot: int, seed: int
) -> tuple[tuple[Observation, ...], str | None]:
    from data import cube as cubes
    from phases.detect import detect
    from phases.settings import Settings
    from scaling.ladder import select
    from scaling.observations import observe
    from scaling.tables import working

    cube, note = select(cubes.read(path), where or ())
    with working() as progress:
        report = detect(cube, Settings(metrics=(metric,), boot=boot, seed=seed), progress)
    return observe(cube, report.transitions, metric), note


def main() -> None:
    """Run the command line; a mistake of the user is one line on stderr and exit code 2."""
    guard("scaling", app)


if __name__ == "__main__":
    main()

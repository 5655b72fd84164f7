"""Every command is an options parser over one function of Python: the same names, defaults and answer."""

import inspect
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from calque.data import cube as cubes
from calque.data.errors import UserError
from calque.scaling.api.calibrate import calibrate
from calque.scaling.api.fit import fit
from calque.scaling.api.forecast import forecast
from calque.scaling.api.loss import loss
from calque.scaling.api.mixes import mixes
from calque.scaling.api.plan import plan
from calque.scaling.api.power import power
from calque.scaling.api.simulate import simulate
from calque.scaling.cli import app
from calque.scaling.commands.calibrate import calibrate_command
from calque.scaling.commands.fit import fit_command
from calque.scaling.commands.forecast import forecast_command
from calque.scaling.commands.loss import loss_command
from calque.scaling.commands.mixes import mixes_command
from calque.scaling.commands.plan import plan_command
from calque.scaling.commands.power import power_command
from calque.scaling.commands.simulate import simulate_command
from calque.scaling.simulate.truth import Truth, read_truth
from tests.test_scaling_loss_laws import drawn

TRUTH = Path(__file__).parent.parent / "docs" / "examples" / "truth.yaml"
COMMANDS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "simulate": (simulate_command, simulate),
    "fit": (fit_command, fit),
    "forecast": (forecast_command, forecast),
    "calibrate": (calibrate_command, calibrate),
    "mixes": (mixes_command, mixes),
    "loss": (loss_command, loss),
    "power": (power_command, power),
    "plan": (plan_command, plan),
}
SHOWN = {"json", "picture"}
"""Options of what is done with the answer."""


def strict(value: Any) -> Any:
    """Return a report as ``--json`` writes it."""
    if isinstance(value, dict):
        return {key: strict(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [strict(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def written(folder: Path, *words: object) -> Any:
    done = CliRunner().invoke(app, [*map(str, words), "--json", str(folder / "answer.json")])
    assert done.exit_code == 0, done.output
    return json.loads((folder / "answer.json").read_text())


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small cube of two mixes."""
    small = {
        "seeds": 1,
        "mixes": [{"name": "a"}, {"name": "b", "factor": 1.5}],
        "checkpoints": {"count": 20, "first": 1e8, "last": 2e11},
        "concepts": 12,
        "languages": ["en", "de", "ru"],
    }
    path = tmp_path_factory.mktemp("api") / "cube.nc"
    simulate(Truth.model_validate({**read_truth(TRUTH).model_dump(), **small}), output=path, seed=3)
    return path


@pytest.mark.contract
@pytest.mark.parametrize("name", COMMANDS)
def test_names_and_defaults_are_those_of_the_command(name: str) -> None:
    command, function = (inspect.signature(f).parameters for f in COMMANDS[name])
    assert set(function) - {"progress"} == set(command) - SHOWN
    for parameter, option in command.items():
        if parameter in SHOWN | {"output"}:
            continue
        default = function[parameter].default
        if option.default is None:  # given again: an empty list, or the defaults that --help shows
            assert default is None or isinstance(default, tuple)
        else:
            assert default == option.default, parameter


@pytest.mark.contract
@pytest.mark.parametrize("name", COMMANDS)
def test_every_parameter_is_documented(name: str) -> None:
    function = COMMANDS[name][1]
    documented = inspect.getdoc(function) or ""
    section = documented.split("Parameters\n")[1].split("\n\n")[0]
    heads = {word.strip() for line in section.splitlines() if " : " in line for word in line.split(" : ")[0].split(",")}
    assert set(inspect.signature(function).parameters) <= heads


def test_fit_forecast_and_mixes_give_what_the_commands_write(tmp_path: Path, cube: Path) -> None:
    data = cubes.read(cube)
    before = data.copy(deep=True)
    expected = written(tmp_path, "fit", cube, "--law", "power", "--boot", 19, "--where", "mix=a")
    assert strict(fit(cube, law="power", boot=19, where=["mix=a"]).to_dict()) == expected
    in_memory = fit(data, law="power", boot=19, where=["mix=a"])
    assert strict(in_memory.to_dict()) == {**expected, "cube": "cube"}
    expected = written(tmp_path, "forecast", cube, "--size", "1.7b", "--boot", 19)
    assert strict(forecast(cube, size="1.7b", boot=19).to_dict()) == expected
    assert expected["sentences"][0].startswith("Only the 4 runs of mix")
    expected = written(tmp_path, "mixes", cube, "--boot", 19)
    assert strict(mixes(data, boot=19).to_dict()) == {**expected, "cube": "cube"}
    xr.testing.assert_identical(data, before)


def test_a_size_may_be_a_number(cube: Path) -> None:
    found = forecast(cube, size=1.2e9, boot=19, where=["mix=a"])
    assert found.n == 1.2e9 and found.size == "1200000000"


def test_simulate_and_power_and_plan_and_loss(tmp_path: Path, cube: Path) -> None:
    expected = written(tmp_path, "simulate", TRUTH, "-o", tmp_path / "s.nc", "--seed", 1)
    drawn_again = simulate(TRUTH, seed=1)
    assert drawn_again.path is None and strict(drawn_again.to_dict()) == {**expected, "cube": None}
    assert cubes.has_group(tmp_path / "s.nc", "truth")
    expected = written(tmp_path, "power", cube, "--level-sd", 0.1)
    assert strict(power(cube, level_sd=0.1).to_dict()) == expected
    assert strict(power(cubes.read(cube), level_sd=0.1).to_dict()) == {**expected, "study": "cube"}
    expected = written(tmp_path, "plan", "--budget", 1600)
    assert strict(plan(1600).to_dict()) == expected
    points, file = drawn("chinchilla", 0.01, 60), tmp_path / "p.csv"
    np.savetxt(file, np.column_stack([points.n, points.d, points.loss]), delimiter=",", header="n,d,loss", comments="")
    expected = written(tmp_path, "loss", file, "--boot", 19, "--at", "3b,60b")
    assert strict(loss(file, boot=19, at="3b,60b").to_dict()) == expected


def test_calibrate_does_not_depend_on_its_processes(tmp_path: Path) -> None:
    expected = written(tmp_path, "calibrate", "--studies", 10, "--seed-sd", 0.05)
    assert strict(calibrate(studies=10, seed_sd=[0.05], jobs=2).to_dict()) == expected


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda cube: fit(cube, level=90), "`level` is 90; expected at least 0.5"),
        (lambda cube: fit(cube, law="powr"), "did you mean 'power'"),
        (lambda cube: fit(cube, where=["mix"]), "`where` 'mix' is no condition"),
        (lambda cube: fit(cube, params=["x"]), "`params` 'x' is no size"),
        (lambda cube: forecast(cube, size="huge"), "`size` 'huge' is no size"),
        (lambda cube: calibrate(studies=3), "`studies` is 3; expected 10 or more"),
        (lambda cube: calibrate(sizes=20), "`sizes` is 20; expected 4 to 12"),
        (lambda cube: calibrate(seed_sd=[]), "`seed_sd` is empty"),
        (lambda cube: mixes(cubes.read(cube).drop_vars("mix")), "no run coordinate 'mix'; expected one that names two"),
        (lambda cube: loss(cube, boot=1), "`boot` is 1; expected 19 or more"),
        (lambda cube: loss(cube, drop_highest=-1), "`drop_highest` is -1; expected 0 or more"),
        (lambda cube: power(cube, rho=2), "`rho` is 2; expected a correlation"),
        (lambda cube: power(cube, seed_sd=0), "`seed_sd` 0; expected a ratio above 1"),
        (lambda cube: plan(0), "`budget` is 0 h200-hours"),
        (lambda cube: plan(9, mixes=0), "`mixes` is 0"),
        (lambda cube: simulate(TRUTH, seed=-1), "`seed` is -1; expected 0 or more"),
    ],
)  # fmt: skip
def test_errors_name_the_parameter(cube: Path, call: Callable[[Path], Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        call(cube)
    assert words in str(caught.value) and "--" not in str(caught.value) and len(str(caught.value)) <= 300

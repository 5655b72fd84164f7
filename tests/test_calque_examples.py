"""The example in the help of every command is run as typed, or it is said here why not."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import calque
from tests.phases_cube import study
from tests.readme import ROOT
from tests.test_calque_commands import APPS, commands

# Bokeh's own, of every table
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning")
EXAMPLE = "For example: "
NOT_RUN = {
    "phases calibrate": "minutes; test_phases_calibration.py runs a short one",
    "sweeps prepare": "writes the data of a whole study; test_sweeps_preparing.py",
    "sweeps run": "minutes; 'make study', and test_sweeps_launch.py a short one",
    "sweeps trial": "trains; test_sweeps_trial.py",
    "sweeps collect": "needs the runs of a study; test_sweeps_launch.py",
    "sweeps export": "needs the runs of a study; test_sweeps_export.py",
    "sweeps push": "needs an exported model; test_sweeps_push.py",
    "sweeps probe": "needs the runs of a study; test_sweeps_probe.py",
    "sweeps score": "needs checkpoints; test_sweeps_score.py",
}
EXAMPLES = {name: (command.help or "").partition(EXAMPLE)[2].strip() for name, command in commands()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the examples name."""
    made = tmp_path_factory.mktemp("examples")
    for name in ("sweeps", "docs/findings", "results/quick"):
        (made / name).mkdir(parents=True)
    for name in ("quick", "full"):
        shutil.copy(ROOT / f"sweeps/{name}.yaml", made / "sweeps")
    shutil.copy(ROOT / "docs/examples/log.csv", made)
    for name, file in (("truth", "truth"), ("mixes", "mixes-truth")):
        text = (ROOT / f"docs/examples/{file}.yaml").read_text()
        (made / f"{name}.yaml").write_text(
            text.replace("count: 80", "count: 16").replace("concepts: 60", "concepts: 8")
        )
    calque.simulate(made / "mixes.yaml", output=made / "mixes.nc")
    calque.simulate(made / "truth.yaml", output=made / "truth.nc")
    calque.write(study(runs=1, n=16, languages=4, concepts=8)[0], made / "results.nc")
    found = calque.detect(made / "results.nc", metric="copying", boot=19)
    for name in ("detect.json", "results/quick/detect.json", "docs/findings/quick.json"):
        found.to_json(made / name)
    rng = np.random.default_rng(0)
    n, d = (np.exp(rng.uniform(*np.log(ends), 40)) for ends in ((1e7, 1e9), (1e9, 1e11)))
    loss = (1.7 + 400 * n**-0.34 + 410 * d**-0.28) * np.exp(rng.normal(0, 0.005, 40))
    points = np.column_stack([n, d, loss])
    np.savetxt(made / "points.csv", points, delimiter=",", header="n,d,loss", comments="")
    return made


def test_every_help_ends_with_an_example_of_its_command() -> None:
    for name, command in commands():
        assert EXAMPLES[name].startswith(f"{name} "), name
        parser = command.make_parser(command.context_class(command))  # also those that are not run are read
        _, words, _ = parser.parse_args(shlex.split(EXAMPLES[name])[2:])
        assert words == [], name
    assert set(NOT_RUN) <= set(EXAMPLES)


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - set(NOT_RUN)))
def test_an_example_runs_as_typed(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = typed(EXAMPLES[name], folder, monkeypatch)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip()


@pytest.mark.parametrize(
    "line",
    ["phases cite detect.json", "phases detect results.nc --metric copying --boot 19", "scaling plan --budget 5000",
     "sweeps plan sweeps/quick.yaml", "sweeps status sweeps/quick.yaml", "scaling simulate truth.yaml -o again.nc"],
)  # fmt: skip
def test_a_quiet_command_prints_its_json_alone(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = typed(f"{line} --quiet", folder, monkeypatch)
    assert done.exit_code == 0 and done.stdout == "", done.output
    assert "[0:" not in done.stderr  # no progress
    done = typed(f"{line} --quiet --json -", folder, monkeypatch)
    assert json.loads(done.stdout)


def test_every_command_can_be_quiet_and_answer_in_json() -> None:
    for name, command in commands():
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert {"--quiet", "-q", "--json"} <= flags, name


def typed(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(folder)
    program, *words = shlex.split(line)
    return CliRunner().invoke(APPS[program], words, catch_exceptions=False)

"""Every command gives what its function in Python gives: the two are held to each other, option by option."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import calque
import calque.phases.cli
import calque.scaling.cli
import calque.sweeps.cli
from tests.huggingface_models import save
from tests.phases_cube import study

ROOT = Path(__file__).parent.parent
APPS = {"phases": calque.phases.cli.app, "scaling": calque.scaling.cli.app, "sweeps": calque.sweeps.cli.app}
SHOWN = {"json", "bibtex", "json_file", "quiet", "jobs", "html", "csv", "markdown", "list_cells", "picture", "dry",
         "nodes"}  # fmt: skip
"""Parameters that say how an answer is shown, or that the command alone has; not what is asked."""
TWICE = {"detect": {"forecast", "power", "loss"}, "import": {"out"}, "edit": {"output"}}
"""Of a command: files shown in its report, and the cube it writes."""
IN_MEMORY = {"sweeps probe": {"vocabulary", "begin"}}
"""Of a function: what goes with a model in memory, which no command has."""
WITHOUT = {
    "phases explore": "serves pages until it is stopped",
    "sweeps prepare": "writes data",
    "sweeps trial": "trains one run (test_sweeps_trial.py)",
    "sweeps status": "reads progress files",
    "sweeps collect": "writes a cube, which calque.read reads",
    "sweeps export": "writes a folder for transformers",
    "sweeps push": "sends that folder to the hub",
}
"""Commands without a function of their own in Python, and why."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is typed, and the same as arguments; ``{name}`` stands for a file of the fixture."""

    words: str
    given: dict[str, Any] = field(default_factory=dict)
    first: str | None = None
    """The positional argument."""


CASES = {
    "phases detect": Case(words="{study} --boot 19 --by target --metric copying --metric translation --level 0.9",
                          first="{study}", given={"boot": 19, "by": "target", "metric": ["copying", "translation"],
                                                  "level": 0.9}),
    "phases compare": Case(words="{detected} {detected}", first="{detected}", given={"reference": "{detected}"}),
    "phases cite": Case(words="{detected}", first="{detected}"),
    "phases pool": Case(words="{study} --boot 19 --over language --estimand lag", first="{study}",
                        given={"boot": 19, "over": "language", "estimand": "lag"}),
    "phases acquisition": Case(words="{study} --metric copying --items all --covariates overlap", first="{study}",
                               given={"metric": "copying", "items": "all", "covariates": "overlap"}),
    "phases calibrate": Case(words="{study} --metric copying --replicates 2 --boot 19 --jobs 1", first="{study}",
                             given={"metric": "copying", "replicates": 2, "boot": 19}),
    "phases import": Case(words="{log} --metric accuracy --tokens tokens --trials 125 --every 2 -o {folder}/i.nc",
                          first="{log}", given={"metric": "accuracy", "tokens": "tokens", "trials": 125, "every": 2}),
    "phases edit": Case(words="{study} -o {folder}/e.nc --coord mix=uniform", first="{study}",
                        given={"coord": "mix=uniform"}),
    "scaling simulate": Case(words="{truth} -o {folder}/s.nc --seed 3", first="{truth}",
                             given={"output": "{folder}/s.nc", "seed": 3}),
    "scaling fit": Case(words="{cube} --law power --boot 19", first="{cube}", given={"law": "power", "boot": 19}),
    "scaling forecast": Case(words="{cube} --size 1.7b --boot 19", first="{cube}", given={"size": "1.7b", "boot": 19}),
    "scaling mixes": Case(words="{mixes} --boot 19", first="{mixes}", given={"boot": 19}),
    "scaling power": Case(words="{cube} --target 1.3", first="{cube}", given={"target": 1.3}),
    "scaling plan": Case(words="--budget 5000", given={"budget": 5000.0}),
    "scaling loss": Case(words="{points} --at 3b,60b --boot 19", first="{points}", given={"at": "3b,60b", "boot": 19}),
    "scaling calibrate": Case(words="--studies 10 --seed-sd 0.05", given={"studies": 10, "seed_sd": [0.05]}),
    "sweeps init": Case(words="pilot --corpus text --sizes nano,micro --mix uniform --mix drop:en --tokens 1M "
                        "--seeds 2 -o {folder}/pilot.yaml", first="pilot",
                        given={"corpus": "text", "sizes": "nano,micro", "mixes": ["uniform", "drop:en"],
                               "tokens": "1M", "seeds": 2, "output": "{folder}/pilot.yaml"}),
    "sweeps plan": Case(words="{quick} --device h200", first="{quick}", given={"device": "h200"}),
    "sweeps run": Case(words="{small} --results {folder}/results", first="{small}",
                       given={"results": "{folder}/results"}),
    "sweeps score": Case(words="{model} -o {folder}/m.nc --pattern step{{step}} --tokens-per-step 2k "
                         "--languages en,de --shots 1 --concepts 2 --minimal-pairs 2 "
                         "--heldout none", first="{model}",
                         given={"output": "{folder}/m.nc", "pattern": "step{{step}}", "tokens_per_step": "2k",
                                "languages": "en,de", "shots": 1, "concepts": 2,
                                "minimal_pairs": 2, "heldout": "none"}),
    "sweeps probe": Case(words="{model} -o {folder}/p.nc --pattern step{{step}} --tokens-per-step 2k --length 8 "
                         "--prompts 4 --draws 9", first="{model}",
                         given={"output": "{folder}/p.nc", "pattern": "step{{step}}", "tokens_per_step": "2k",
                                "length": 8, "prompts": 4, "draws": 9}),
}  # fmt: skip
DOOR = {"phases": ("detect", "pool", "acquisition", "calibrate", "import_log"), "scaling": ("simulate", "forecast"),
        "sweeps": ("plan", "run", "score", "probe")}  # fmt: skip


def commands() -> Iterator[tuple[str, Any]]:
    for program, app in APPS.items():
        for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
            yield f"{program} {name}", command


def function_of(command: str) -> Callable[..., Any]:
    program, _, name = command.partition(" ")
    name = "import_log" if name == "import" else name
    return getattr(import_module(f"calque.{program}.api.{name}"), name)  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    value = value.value if isinstance(value, Enum) else value
    return None if value in ((), []) else value


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("commands")
    calque.write(study(runs=1, n=16, languages=4, concepts=8)[0], folder / "study.nc")
    for name, file in (("cube", "truth"), ("mixes", "mixes-truth")):
        text = (ROOT / f"docs/examples/{file}.yaml").read_text()
        (folder / f"{file}.yaml").write_text(
            text.replace("count: 80", "count: 16").replace("concepts: 60", "concepts: 8")
        )
        calque.simulate(folder / f"{file}.yaml", output=folder / f"{name}.nc")
    rng = np.random.default_rng(0)
    n, d = (np.exp(rng.uniform(*np.log(ends), 40)) for ends in ((1e7, 1e9), (1e9, 1e11)))
    loss = (1.7 + 400 * n**-0.34 + 410 * d**-0.28) * np.exp(rng.normal(0, 0.005, 40))
    rows = np.column_stack([n, d, loss])
    np.savetxt(folder / "points.csv", rows, delimiter=",", header="n,d,loss", comments="")
    calque.detect(folder / "study.nc", metric="copying", boot=19).to_json(folder / "detected.json")
    return {
        "detected": folder / "detected.json",
        "folder": folder, "study": folder / "study.nc", "cube": folder / "cube.nc", "mixes": folder / "mixes.nc",
        "truth": folder / "truth.yaml", "points": folder / "points.csv", "log": ROOT / "docs/examples/log.csv",
        "quick": ROOT / "sweeps/quick.yaml", "model": save(folder / "step1000", "gpt_neox", 1),
    }  # fmt: skip


def test_every_command_has_its_function_or_a_reason() -> None:
    assert {name for name, _ in commands()} == {*CASES, *WITHOUT}
    offered = {getattr(calque, name) for names in DOOR.values() for name in names}
    assert offered <= {function_of(name) for name in CASES}


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_command_and_its_function_take_the_same_with_the_same_defaults(name: str) -> None:
    command = dict(commands())[name]
    function = inspect.signature(function_of(name)).parameters
    apart = SHOWN | TWICE.get(name.partition(" ")[2], set())
    for parameter in command.params:
        if parameter.name in apart or parameter.name == "help":
            continue
        assert parameter.name in function, f"{name}: {parameter.name}"
        default, typed = function[parameter.name].default, parameter.default
        if not parameter.required:
            assert plain(default) == plain(typed) or plain(typed) is None, f"{name}: {parameter.name}"
    extra = set(function) - {p.name for p in command.params} - {"progress", "jobs"} - IN_MEMORY.get(name, set())
    assert not extra, f"{name}: the function alone has {extra}"


@pytest.mark.parametrize("name", sorted(set(CASES) - {"sweeps run"}))
def test_a_command_and_its_function_give_the_same_numbers(name: str, files: dict[str, Path]) -> None:
    compare(name, files)


def compare(name: str, files: dict[str, Path]) -> None:
    case, program = CASES[name], name.partition(" ")
    words = [program[2], *(word.format(**files) for word in case.words.split()), "--json", "-"]
    done = CliRunner().invoke(APPS[program[0]], words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    typed = json.loads(done.stdout)
    given = {k: v.format(**files) if isinstance(v, str) else v for k, v in case.given.items()}
    first = [] if case.first is None else [case.first.format(**files)]
    called = function_of(name)(*first, **given).to_dict()
    if name in ("phases import", "phases edit"):
        called["cube"] = typed["cube"]  # the command alone writes one
    assert json.loads(json.dumps(called)) == typed


def test_a_study_that_is_done_is_told_alike(small_study: Path, tmp_path: Path) -> None:
    for run in ("first-s0", "first-s1"):
        words = ["trial", str(small_study), run, "--results", str(tmp_path / "results")]
        assert CliRunner().invoke(APPS["sweeps"], words, catch_exceptions=False).exit_code == 0
    compare("sweeps run", {"folder": tmp_path, "small": small_study})

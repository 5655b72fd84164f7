"""The command line: exit codes, one-line mistakes, JSON, and what it must not import."""

import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import xarray as xr
from typer.testing import CliRunner, Result

import calque.scaling.takeoffs
from calque.data import cube as cubes
from calque.data.errors import UserError
from calque.scaling.cli import app, main
from calque.scaling.simulate.result import truth_of

ROOT = Path(__file__).parent.parent
TRUTH = """\
sizes: [{sizes}]
seeds: 1
checkpoints: {{count: 10, first: 1e8, last: 2e11}}
languages: [en, de]
concepts: 4
law: {{t0: 4e9, c: 5.8e14, gamma: 0.6, seed_sd: 0.02}}
logprobs: none
"""


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def make(folder: Path, *sizes: float) -> Path:
    path = folder / "truth.yaml"
    listed = ", ".join(f"{{name: s{i}, n_params_non_embedding: {n:.0f}}}" for i, n in enumerate(sizes))
    path.write_text(TRUTH.format(sizes=listed))
    result = call("simulate", path, "-o", folder / "cube.nc")
    assert result.exit_code == 0, result.output
    return folder / "cube.nc"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let detection find the truth, with an interval of 5 % on either side; the statistics have tests of their own."""

    def detect(cube: xr.Dataset, settings: Any, progress: Any = None) -> Any:
        found = [
            SimpleNamespace(
                run=t["run"], metric=t["metric"], estimand="takeoff", outcome="found", reason="", level=0.95,
                tokens=t["tokens"], low=t["tokens"] / 1.05, high=t["tokens"] * 1.05,
            )
            for t in truth_of(cube)["takeoffs"] if t["metric"] in settings.metrics
        ]  # fmt: skip
        return SimpleNamespace(transitions=tuple(found), lags=(), likelihoods=())

    monkeypatch.setattr(calque.scaling.takeoffs, "detect", detect)


def test_simulate_writes_a_cube_and_its_truth(tmp_path: Path) -> None:
    path = make(tmp_path, 2e7, 6e7)
    cube = cubes.read(path)
    assert cube.sizes["run"] == 2 and cubes.has_group(path, "truth")
    first = cube["translation_outcome"].values
    report = call("simulate", tmp_path / "truth.yaml", "-o", path, "--seed", "1", "--json", "-")
    assert report.exit_code == 0
    assert json.loads(report.output)["takeoffs"] == truth_of(cubes.read(path))["takeoffs"]
    assert (cubes.read(path)["translation_outcome"].values != first).any()


@pytest.mark.usefixtures("known")
def test_forecast_end_to_end(tmp_path: Path) -> None:
    path = make(tmp_path, 2e7, 6e7, 1.8e8, 5.4e8)
    result = call("forecast", path, "--size", "1.7b", "--json", tmp_path / "out" / "f.json")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "f.json").read_text())
    for sentence in report["sentences"]:
        assert sentence in result.output.replace("\n", " ")
    row = next(r for r in report["rows"] if r["law"] == "floor")
    assert row["low"] < 4e9 + 5.8e14 * 1_132_562_432**-0.6 < row["high"]
    assert len(report["transitions"]) == 4 and report["metric"] == "translation"


@pytest.mark.usefixtures("known")
def test_too_few_sizes_is_an_answer(tmp_path: Path) -> None:
    path = make(tmp_path, 2e7, 6e7)
    result = call("forecast", path, "--size", "1.7b", "--json", "-")
    assert result.exit_code == 0
    report = json.loads(result.output)
    assert {r["outcome"] for r in report["rows"]} == {"too_few_points"}
    assert all(r["tokens"] is None and r["low"] is None for r in report["rows"])
    text = call("forecast", path, "--size", "1.7b").output
    assert "2 distinct sizes" in text and "interval" not in text
    assert call("fit", path).exit_code == 0


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("law", ["floor", "power"])
def test_fit_prints_parameters(tmp_path: Path, law: str) -> None:
    path = make(tmp_path, 2e7, 6e7, 1.8e8, 5.4e8)
    result = call("fit", path, "--law", law, "--json", tmp_path / "fit.json")
    assert result.exit_code == 0 and "gamma" in result.output
    report = json.loads((tmp_path / "fit.json").read_text())
    gamma = report["parameters"]["gamma"]
    assert gamma["low"] < gamma["estimate"] < gamma["high"]
    assert len(report["residuals"]) == 4 and report["converged"] and not math.isnan(report["seed_sd"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulate", "{tmp}/truth.yaml", "-o", "{tmp}/c.nc"], "truth.yaml:1: unknown key 'law.gama'"),
        (["forecast", "{tmp}/none.nc", "--size", "1.7b"], "none.nc is missing"),
        (["forecast", "{tmp}/truth.yaml", "--size", "1.7b"], "cannot be read as netCDF"),
        (["forecast", "{tmp}/none.nc", "--size", "huge"], "--size 'huge' is no size"),
        (["forecast", "{tmp}/none.nc", "--size", "1b", "--level", "90"], "--level is 90"),
        (["fit", "{tmp}/none.nc", "--law", "powr"], "did you mean 'power'"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    (tmp_path / "truth.yaml").write_text("{sizes: [], law: {gama: 1}}\n")
    monkeypatch.setattr(sys, "argv", ["scaling", *(a.format(tmp=tmp_path) for a in arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr()
    assert stopped.value.code == 2
    assert said.out == "" and said.err.count("\n") == 1, said.err
    assert said.err.startswith("scaling: ") and words in said.err
    assert not (tmp_path / "c.nc").exists()


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "calque.scaling.cli", "forecast", str(tmp_path / "none.nc"), "--size", "1b"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 2 and result.stderr.startswith("scaling: ") and result.stderr.count("\n") == 1


def test_help_lists_what_exists_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from calque.scaling.cli import app; from typer.testing import CliRunner;"
        "r = CliRunner().invoke(app, ['--help']); print(r.output);"
        "print([m for m in ('numpy', 'xarray', 'scipy', 'pydantic', 'torch', 'ray') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert all(word in out for word in ("simulate", "fit", "forecast")) and "power" not in out.split("forecast")[0]
    assert out.strip().endswith("[]")


def test_scaling_never_loads_the_training_half() -> None:
    modules = [p.relative_to(ROOT) for p in sorted((ROOT / "scaling").rglob("[a-z]*.py"))]
    names = " ".join(f"calque.{'.'.join(p.with_suffix('').parts)}," for p in modules)
    heavy = "('torch', 'lightning', 'ray', 'calque.models', 'calque.sweeps')"
    code = f"import sys, {names} calque.phases.detection.detect; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert out.strip() == "[]"


def test_mixes_by_language_end_to_end(tmp_path: Path) -> None:
    text = (ROOT / "docs/examples/mixes-truth.yaml").read_text()
    assert "seeds: 4" in text and "concepts: 60" in text
    (tmp_path / "t.yaml").write_text(text.replace("seeds: 4", "seeds: 2").replace("count: 60", "count: 30"))
    assert call("simulate", tmp_path / "t.yaml", "-o", tmp_path / "m.nc").exit_code == 0
    done = call("mixes", tmp_path / "m.nc", "--by-language", "--boot", "19", "--json", tmp_path / "m.json")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "m.json").read_text())
    assert [(c["first"], c["second"]) for c in report["contrasts"]] == [("even", "skewed")]
    by = {c["language"]: c["log_ratio"] for c in report["languages"] if c["log_ratio"] is not None}
    assert by["en"] < 0 < by["tr"]  # more English brings it forward, less Turkish puts it off
    assert report["shares"]["terms"][:2] == ["size", "share"] and report["mixed_model"][0]["log_ratio"] is not None
    assert "mixed model over languages" in done.output


def test_one_mix_is_refused_before_anything_is_located(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calque.scaling.api.mixes.detected", None)
    one = call("mixes", make(tmp_path, 2e7), "--boot", "19")
    assert isinstance(one.exception, UserError) and "expected two to compare" in str(one.exception)


@pytest.mark.usefixtures("known")
def test_sizes_may_be_stated(tmp_path: Path) -> None:
    path = make(tmp_path, 2e7, 6e7, 1.8e8, 5.4e8)
    bare = cubes.read(path).drop_vars("n_params_non_embedding")
    cubes.write(bare, tmp_path / "bare.nc")
    stated = [w for i, n in enumerate((2e7, 6e7, 1.8e8, 5.4e8)) for w in ("--params", f"s{i}-s0={n:.0f}")]
    done = call("fit", tmp_path / "bare.nc", "--law", "floor", *stated)
    assert done.exit_code == 0 and done.output == call("fit", path, "--law", "floor").output
    for words, message in (
        ([], "state each run's non-embedding parameters with --params RUN=COUNT"),
        (["--params", "s0=5"], "the cube has no run 's0'; did you mean"),
        (["--params", "5"], "'5' is no size; expected RUN=COUNT"),
        (["--params", "s0-s0=many"], "'many' is no count"),
    ):
        wrong = call("fit", tmp_path / "bare.nc", *words)
        assert isinstance(wrong.exception, UserError) and message in str(wrong.exception)

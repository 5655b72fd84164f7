"""The analysis half stands alone: no torch, ray or other training package is imported by it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TRAINING = ("torch", "lightning", "ray", "tokenizers", "safetensors", "sklearn", "statsmodels")
BLOCK = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {TRAINING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (blocked by the test)", name=name.partition(".")[0])
sys.meta_path.insert(0, Block())
"""


def run(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BLOCK + code], cwd=cwd, capture_output=True, text=True, check=False)


def test_detecting_and_forecasting_need_no_training_package(tmp_path: Path) -> None:
    log = str(ROOT / "docs/examples/log.csv")
    call = "from calque.{0}.cli import app; app({1!r})"
    steps = [
        ("scaling", ["simulate", str(ROOT / "docs/examples/truth.yaml"), "-o", "truth.nc"]),
        ("phases", ["import", log, "--tokens", "tokens", "--metric", "accuracy", "--trials", "125", "-o", "t.nc"]),
        ("phases", ["detect", "t.nc", "--html", "t.html", "--json", "t.json"]),
    ]
    for package, words in steps:
        done = run(call.format(package, words), tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "t.html").stat().st_size > 10_000
    blocked = run("import torch", tmp_path)
    assert "blocked by the test" in blocked.stderr, "the block itself must work"


def test_a_training_command_without_its_packages_says_what_to_install(tmp_path: Path) -> None:
    words = ["sweeps", "plan", str(ROOT / "sweeps/quick.yaml")]
    code = f"import sys; sys.argv = {words!r}\nfrom calque.sweeps.cli import main; main()"
    done = run(code, tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "pip install '.[train]'" in done.stderr


@pytest.mark.parametrize("command", ["phases", "scaling", "sweeps"])
def test_help_imports_nothing_heavy(command: str, tmp_path: Path) -> None:
    code = f"""
import contextlib, io
from calque.{command}.cli import app
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    app(["--help"])
heavy = {{"numpy", "xarray", "scipy", "pandas", "matplotlib", "torch", "ray"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_every_package_is_listed_and_tests_are_not_shipped() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    tops = ("data", "models", "sweeps", "phases", "scaling")
    found = {
        ".".join(file.parent.relative_to(ROOT).parts) for top in tops for file in (ROOT / top).rglob("__init__.py")
    }
    assert set(listed) == found
    assert not any(name.startswith("tests") for name in listed)


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        line.partition("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }  # fmt: skip
    wanted = [*project["dependencies"], *(d for e in project["optional-dependencies"].values() for d in e)]
    names = {d.split("[")[0].split(">")[0].strip().lower() for d in wanted} - {"calque"}
    assert names <= pinned, names - pinned
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text()

"""The wheel: what it holds, that it runs alone, and that it leaves the user's own modules in peace."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.bare_install import Environment, check_readme, link_required, offline
from tests.readme import ROOT

PARTS = ("data", "models", "phases", "scaling", "sweeps")
FILES = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "NOTICE")


def copy_of_the_sources(folder: Path) -> Path:
    """Copy what is built: building where the sources are would leave folders there, and find old ones."""
    for name in ("calque", "tests", *PARTS):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist, and the wheel made from it."""
    folder = tmp_path_factory.mktemp("built")
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist"]
    done = subprocess.run(
        [*words, copy_of_the_sources(folder / "calque")], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "dist"


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel installed without extras."""
    return offline(tmp_path_factory.mktemp("offline") / "environment", wheel)


def test_the_wheel_holds_calque_and_its_metadata_alone(wheel: Path) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", wheel], capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    names = [line.split()[0] for line in listed.splitlines()[1:]]
    assert {name.split("/")[0] for name in names} == {
        "calque",
        wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info",
    }
    assert not [name for name in names if "/test_" in name or name.endswith((".nc", ".deb", ".parquet", ".jsonl"))]


def test_every_module_and_data_file_is_in_the_wheel(wheel: Path) -> None:
    found = set(zipfile.ZipFile(wheel).namelist())
    modules = {f"calque/{file.relative_to(ROOT)}" for part in PARTS for file in (ROOT / part).rglob("*.py")}
    modules |= {str(file.relative_to(ROOT)) for file in (ROOT / "calque").rglob("*.py")}
    pages = ("*.html.j2", "*.js", "*.bib", "study.schema.json")
    data = {
        f"calque/{file.relative_to(ROOT)}" for part in PARTS for like in pages for file in (ROOT / part).rglob(like)
    }
    for folder in ("data/lexicon", "data/corpora/sample_text"):
        data |= {f"calque/{file.relative_to(ROOT)}" for file in (ROOT / folder).iterdir() if file.is_file()}
    assert len(data) > 20
    assert modules | data | {"calque/py.typed"} == {name for name in found if name.startswith("calque/")}


def test_the_sdist_holds_no_tests(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    listed = subprocess.run(["tar", "tzf", sdist], capture_output=True, text=True, check=True).stdout.splitlines()
    assert any(name.endswith("/data/quantities.py") for name in listed)
    assert not [name for name in listed if name.endswith(".py") and "/tests/" in name]


def test_without_extras_it_runs_what_the_readme_says_of_it(environment: Environment, tmp_path: Path) -> None:
    check_readme(environment, tmp_path)


FOREIGN = {
    "modules": {"data.py": "mine = 1", "phases.py": "mine = 1", "models/__init__.py": "mine = 1"},
    "folders": {"data/loader.py": "mine = 1", "models/__init__.py": "mine = 1", "sweeps/own.py": "", "scaling.py": ""},
}
CALLS = (
    "phases --help",
    "phases import log.csv --tokens tokens --metric accuracy --trials 125 -o log.nc",
    "phases detect log.nc --boot 19",
    "scaling simulate truth.yaml -o truth.nc",
    "sweeps --help",
    "python -m calque.phases.cli --help",
    "python -c 'import calque, models; assert models.mine'",
)


@pytest.mark.parametrize("foreign", FOREIGN)
def test_modules_of_the_user_stay_the_users(foreign: str, environment: Environment, tmp_path: Path) -> None:
    for name, text in FOREIGN[foreign].items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    for name in ("log.csv", "truth.yaml"):
        shutil.copy(ROOT / "docs/examples" / name, tmp_path)
    for call in CALLS:
        environment.must(call, tmp_path, PYTHONPATH=".")
    mine = "data" if foreign == "modules" else "data.loader"
    environment.must(f"python -c 'import calque.data.cube, {mine} as m; assert m.mine'", tmp_path)


@pytest.mark.parametrize("name", PARTS)
def test_the_wheel_takes_no_other_name(name: str, environment: Environment, tmp_path: Path) -> None:
    done = environment.run(f"python -c 'import {name}'", tmp_path)
    assert f"No module named '{name}'" in done.stderr


def test_a_file_added_to_an_editable_install_needs_no_reinstall(tmp_path: Path) -> None:
    sources = copy_of_the_sources(tmp_path / "sources")
    made = Environment(tmp_path / "environment")
    link_required(
        made, ["setuptools", *tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]]
    )
    made.install("--no-index", "--no-deps", "--no-build-isolation", "-e", sources)
    for module in ("added", "data.added", "data.tokens.added", "phases.added.inside"):
        path = sources / (f"{module.replace('.', '/')}.py" if "." in module else f"calque/{module}.py")
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.touch()
        made.must(f"python -c 'import calque.{module}'", tmp_path)

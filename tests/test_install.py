"""What is installed: one import name, every package, and an analysis half that imports no training package."""

from __future__ import annotations

import doctest
import importlib.util
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.readme import ROOT

PARTS = ("data", "models", "phases", "scaling", "sweeps")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
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
    files = [file for top in ("calque", *PARTS) for file in (ROOT / top).rglob("__init__.py")]
    names = [".".join(file.parent.relative_to(ROOT).parts) for file in files]
    assert sorted(listed) == sorted(name if name.startswith("calque") else f"calque.{name}" for name in names)


def test_packages_have_no_second_name(tmp_path: Path) -> None:
    for part in PARTS:
        done = subprocess.run([sys.executable, "-c", f"import {part}"], cwd=tmp_path, capture_output=True, text=True)
        assert f"No module named '{part}'" in done.stderr


def test_no_module_is_loaded_twice_where_the_folders_stand() -> None:
    """In the repository root ``import data`` finds the folder: nothing of ours may do so."""
    code = """
import collections, importlib, os, sys
names = sys.stdin.read().split()
for name in names:
    importlib.import_module(name)
by_file = collections.defaultdict(set)
for name, module in list(sys.modules.items()):
    if getattr(module, "__file__", None):
        by_file[os.path.realpath(module.__file__)].add(name)
twice = {f: n for f, n in by_file.items() if len(n) > 1 and f.startswith(os.getcwd() + os.sep) and ".venv" not in f}
assert not twice, twice
assert sum(f.startswith(os.getcwd() + os.sep) for f in by_file) >= len(names)
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(
        words, cwd=ROOT, input="\n".join(modules()), capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def modules() -> list[str]:
    """Return every module of the packages by its import name."""
    files = [file.relative_to(ROOT) for top in ("calque", *PARTS) for file in sorted((ROOT / top).rglob("*.py"))]
    dotted = [".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files]
    return [name if name.startswith("calque") else f"calque.{name}" for name in dotted]


def test_examples_in_docstrings_are_true() -> None:
    tried = 0
    for name in modules():
        if ">>> " in Path(str(importlib.util.find_spec(name).origin)).read_text(encoding="utf-8"):
            found = doctest.testmod(importlib.import_module(name))
            assert found.failed == 0, f"{name}: see the output above"
            tried += found.attempted
    assert tried >= 5, tried


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "calque.phases.cli", "--help"),
        ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", "-m", "calque.sweeps.cli", "--help"),
    ],
    ids=["python", "torchrun"],
)
def test_modules_run_by_their_import_name(words: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_functions_reach_a_spawned_process(tmp_path: Path) -> None:
    code = """
import multiprocessing
from calque.data.quantities import parse_count
with multiprocessing.get_context("spawn").Pool(1) as pool:
    assert pool.map(parse_count, ["5M"]) == [5_000_000]
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_links_for_tools_follow_the_folder(tmp_path: Path) -> None:
    """Mypy, import-linter and editors see every file of ``calque/`` and every folder, also files added later."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("calque/sub", *PARTS):
        (tmp_path / name).mkdir(parents=True)
    make = ["make", "-o", ".venv/.installed", "env"]

    def linked() -> set[str]:
        subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)
        links = tmp_path / ".venv/src/calque"
        assert all(link.is_symlink() and link.exists() for link in links.iterdir())
        return {link.name for link in links.iterdir()}

    assert linked() == {"sub", *PARTS}
    (tmp_path / "calque/added.py").touch()
    assert linked() == {"sub", "added.py", *PARTS}
    (tmp_path / "calque/added.py").unlink()
    assert linked() == {"sub", *PARTS}


def test_every_direct_dependency_is_pinned() -> None:
    pinned = {
        line.partition("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }  # fmt: skip
    wanted = [*PROJECT["dependencies"], *(d for e in PROJECT["optional-dependencies"].values() for d in e)]
    names = {d.split("[")[0].partition(">")[0].strip().lower() for d in wanted} - {"calque"}
    assert names <= pinned, names - pinned
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text()
    assert "torch>=2.13" in PROJECT["optional-dependencies"]["train"], "older ones are not what was read and tested"


def test_a_checkout_in_the_working_folder_is_no_empty_package(tmp_path: Path) -> None:
    """Python would take a folder called calque without __init__ for a package, were nothing else on its path."""
    (tmp_path / "calque").symlink_to(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", "import calque; calque.detect"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

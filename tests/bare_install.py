"""The wheel as a user has it: in a fresh environment, with what it requires and without extras.

``python -m tests.bare_install WHEEL`` makes such an environment with pip, as a user would (``make wheel``). The tests
make theirs without a network: :func:`offline` links the required packages from the environment that runs the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement

from tests.readme import ROOT, analysis_commands, snippets

TRAINING = ("torch", "ray", "lightning", "transformers")


class Environment:
    """A virtual environment in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.bin = folder / "bin"
        self.packages = next(folder.glob("lib/python*/site-packages"))

    def install(self, *words: str | Path) -> None:
        """Run ``pip install`` of this environment."""
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "install", "--quiet"]
        done = subprocess.run(
            [*pip, "--disable-pip-version-check", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def run(self, command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a line of shell in ``folder`` as after ``source bin/activate``."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        search = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            command, shell=True, cwd=folder, env={**kept, "PATH": search, "MPLBACKEND": "agg", **variables},
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    def must(self, command: str, folder: Path, **variables: str) -> str:
        """Run a line of shell that has to succeed, and return what it printed."""
        done = self.run(command, folder, **variables)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def python(self, code: str, folder: Path, **variables: str) -> str:
        """Run Python code that has to succeed from a file of another folder, and return what it printed."""
        with tempfile.TemporaryDirectory() as elsewhere:
            path = Path(elsewhere, "snippet.py")
            path.write_text(code, encoding="utf-8")
            return self.must(f"python {path}", folder, **variables)


def offline(folder: Path, wheel: Path) -> Environment:
    """Return an environment with the wheel and, by links, exactly the packages that it requires without extras."""
    made = Environment(folder)
    made.install("--no-index", "--no-deps", wheel)
    (calque,) = distributions(name="calque", path=[str(made.packages)])
    link_required(made, calque.requires or [])
    return made


def link_required(made: Environment, requirements: list[str], extra: str = "") -> None:
    """Link the packages of some requirements, and all that these require, from the running environment."""
    for wanted in map(Requirement, requirements):
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        found = distribution(wanted.name)
        tops = {Path(file).parts[0] for file in found.files or []} - {"..", "__pycache__"}
        new = [top for top in tops if not (made.packages / top).exists()]
        for top in new:
            (made.packages / top).symlink_to(found.locate_file(top))
        for extra_of_it in wanted.extras if not new else {"", *wanted.extras}:
            link_required(made, found.requires or [], extra_of_it)


def check_readme(made: Environment, folder: Path) -> None:
    """Run the README's commands of the analysis half, then its Python, as typed, where no training package is."""
    shutil.copytree(ROOT / "docs/examples", folder / "docs/examples")
    missing = f"import importlib.util as u; assert not [m for m in {TRAINING} if u.find_spec(m)]"
    made.python(missing, folder)
    where = made.python("import calque; print(calque.__file__)", folder)
    assert Path(where.strip()).is_relative_to(made.packages), where
    for line in analysis_commands():
        made.must(line, folder)
    for snippet in snippets():
        made.python(snippet, folder)


def main(wheel: Path) -> None:
    """Install a wheel with pip into a fresh environment, and run what the README says of it."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Environment(Path(scratch, "environment"))
        made.install("-c", ROOT / "constraints.txt", wheel)
        work = Path(scratch, "work")
        work.mkdir()
        check_readme(made, work)
    lines, blocks = len(analysis_commands()), len(snippets())
    print(f"{wheel.name}, installed without extras, ran {lines} commands and {blocks} Python snippets of the README")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

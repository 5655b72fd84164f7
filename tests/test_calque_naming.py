"""Each face names its own options: flags on a terminal and in a command's report, arguments in Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import calque
from calque.data.command_line.naming import named
from calque.scaling.api.fit import fit
from tests.phases_cube import study
from tests.readme import ROOT
from tests.test_phases_cli import phases

FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
OTHERS = {
    "--print-uris": "of apt-get", "--nproc-per-node": "of torchrun", "--always": "of git", "--dirty": "of git",
    "--abbrev": "of git", "--exclude": "of git", "--head": "of ray", "--detect": "of the command that saved a page",
}  # fmt: skip
"""Flags in texts of functions, each with its program."""


def written(folder: Path, name: str, rows: str) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(rows)
    return folder / name


def logs(folder: Path) -> dict[str, tuple[Path, tuple[str, ...]]]:
    """Return a log for each kind of note that names a parameter, and how the parameter is called."""
    lightning = "epoch,step,val_acc\n" + "".join(f"{i},{i * 10},{i / 20}\n" for i in range(1, 8))
    for version in (0, 1):
        written(folder, f"versions/version_{version}/metrics.csv", lightning)
    return {
        "versions": (folder / "versions", ("join",)),
        "percent": (written(folder, "percent.csv", "step,val_acc\n1,3.1\n2,40\n3,87.5\n"), ("percent", "continuous")),
        "share": (written(folder, "share.csv", "step,val_acc\n1,0.1\n2,0.4\n3,0.8\n"), ("trials",)),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["versions", "percent", "share"])
def test_notes_of_imports_name_flags_on_a_terminal_and_arguments_in_python(kind: str, tmp_path: Path) -> None:
    path, names = logs(tmp_path)[kind]
    made = calque.import_log(path, metric="val_acc", tokens="step", tokens_per_step=10)
    words = ("--metric", "val_acc", "--tokens", "step", "--tokens-per-step", 10)
    done = phases("import", path, *words, "-o", tmp_path / "x.nc")
    assert done.returncode == 0, done.stderr
    in_python, on_terminal = " ".join(made.summary().split()), " ".join(done.stdout.split())
    for name in names:
        assert f"`{name}`" in in_python and f"--{name}" not in in_python
        assert f"--{name}" in on_terminal and f"`{name}`" not in on_terminal


def test_what_detect_averages_over_is_split_by_its_own_option(tmp_path: Path) -> None:
    cube, _ = study(seed=2, runs=1, languages=3, concepts=6)
    calque.write(cube, tmp_path / "c.nc")
    html = tmp_path / "c.html"
    done = phases("detect", tmp_path / "c.nc", "--metric", "copying", "--boot", 19, "--jobs", 1, "--html", html)
    assert "(--by splits them)" in " ".join(done.stdout.split()) and "(--by splits them)" in html.read_text()
    found = calque.detect(cube, metric="copying", boot=19)
    assert "(`by` splits them)" in " ".join(found.summary().split()) and "--by" not in found.summary()


def test_a_fit_says_with_which_argument_other_mixes_are_chosen() -> None:
    cube, _ = study(seed=2, runs=2, languages=3, concepts=6)
    cube = cube.assign_coords(mix=("run", ["even", "skewed"]), n_params_non_embedding=("run", np.array([1e6, 2e6])))
    found = fit(cube, metric="copying", boot=19)
    assert "(`where` chooses others" in " ".join(found.summary().split())


def test_outside_of_a_command_nothing_is_renamed() -> None:
    assert named(["give `join`", "x"]) == ("give `join`", "x")


def test_no_function_names_a_flag_but_in_a_whole_command() -> None:
    """A flag in a function's text stands in the call of a program; alone it would be wrong in Python."""
    found = []
    for top in ("data", "models", "phases", "scaling", "sweeps"):
        for file in sorted((ROOT / top).rglob("*.py")):
            if {"commands", "command_line"} & set(file.parts):
                continue
            tree = ast.parse(file.read_text())
            said = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
            formatted = [n for n in ast.walk(tree) if isinstance(n, ast.JoinedStr)]
            said |= {id(part) for one in formatted for part in one.values}
            for text in ast.walk(tree):
                if id(text) in said or not isinstance(text, (ast.Constant, ast.JoinedStr)):
                    continue
                parts = text.values if isinstance(text, ast.JoinedStr) else [text]
                whole = "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in parts)
                rest = re.sub(r"(phases|scaling|sweeps) [a-z]+ [^';]*|^'X --json FILE'$", "", whole)
                flags = [flag for flag in FLAG.findall(rest) if flag not in OTHERS]
                found += [f"{file.relative_to(ROOT)}:{text.lineno}: {flag}" for flag in flags]
    assert not found, "\n".join(found)

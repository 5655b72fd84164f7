"""Calibration: running and resuming, what a source digest reads, the command."""

import io
import json
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace

import numpy as np
import pytest

from calque.data import cube as cubes
from calque.phases.calibration import run, sources, store, tables
from calque.phases.calibration.cells import STANDARD, chosen
from calque.phases.calibration.grids import BEGIN, END
from calque.phases.calibration.outcomes import Options
from calque.phases.calibration.store import Block, Store
from calque.phases.cli import main
from tests.phases_cube import study


def cell(name):
    return chosen("standard", [name])[0]


# ------------------------------------------------------------------ running


@pytest.fixture
def fake(monkeypatch):
    """Every block is answered at once by its replicates' numbers; the calls are listed."""
    calls = []

    def simulate(c, block, options):
        calls.append((c.name, block.first, block.n))
        numbers = np.arange(block.first, block.first + block.n) / 1000
        return {"p": numbers, "gamma": np.where(numbers > 0.01, np.nan, -np.inf)}, 0.5

    monkeypatch.setattr(run, "simulate", simulate)
    return calls


def test_an_interrupted_run_goes_on_where_it_stood(tmp_path, fake):
    path = tmp_path / "calibration.jsonl"
    cells, options = chosen("standard", ["delay/size/flat/*"]), Options(seed=3)

    said = []

    def stop(done, total, what):
        said.append(what)
        if done >= 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(cells, options, replicates=45, store=Store(path, options), progress=stop)
    assert said[0].startswith("about 0:00 with 1 process") and fake[:2] == [(cells[0].name, 0, 1)] * 2, "timed first"
    del fake[:2]
    assert len(fake) == 3 and [first for _, first, _ in fake] == [0, 0, 0], "cells advance together"
    with path.open("a") as file:
        file.write('{"key": "torn')
    results = run.run(cells, options, replicates=45, store=Store(path, options))
    assert len(fake) == len(set(fake)) == 9
    assert [r.n for r in results] == [45] * 3
    assert results[0].figures["rejected"].value == pytest.approx(45 / 45)  # .000 to .044, each at most .05
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 9 and lines[0]["seed"] == 3
    more = run.run(cells[:1], options, replicates=100, store=Store(path, options))[0]
    assert more.n == 100 and more.figures["rejected"].value == pytest.approx(0.51)
    before = len(fake)
    other = Store(path, replace(options, boot=99))
    run.run(cells[:1], replace(options, boot=99), replicates=20, store=other)
    assert len(fake) == before + 1 and other.unused > 0, "other settings are never mixed in"


def test_a_changed_design_or_source_is_not_mixed_in(tmp_path, fake, monkeypatch):
    path, options = tmp_path / "c.jsonl", Options()
    c = cell("delay/size/flat/rho-0.6")
    run.run([c], options, replicates=20, store=Store(path, options))
    changed = replace(c, trials=99)
    one = Store(path, options)
    one.take((changed,))
    assert run.missing(changed, 20, one) and one.unused == 1
    monkeypatch.setattr(store, "source_digest", lambda: "other")
    two = Store(path, options)
    two.take((c,))
    assert run.missing(c, 20, two) == [Block(c.name, 0, 20)]


def test_the_source_digest_reads_the_statistics_and_not_the_tables():
    found = sources.imports(
        "from calque.phases.dictionary.fit import Fit\n"
        "if TYPE_CHECKING:\n    from calque.phases.detection.detect import Settings\n"
    )
    assert found == ["calque.phases.dictionary.fit"]
    read = sources.sources(sources.ROOTS, sources.PACKAGE)
    assert {"calque.phases.detection.lag", "calque.phases.noise.kalman"} <= set(read)
    assert not {"calque.phases.calibration.tables", "calque.phases.report.tables"} & set(read)


RENAMED = {
    "calque.phases.noise.kalman": "{}.kept.filters",
    "calque.phases.detection.lag": "{}.kept.between_two",
    "calque.phases.dictionary": "{}.shapes_of_growth",
    "calque.phases": "{}",
}
"""Modules and folders under other names, in another package."""


def moved(folder, package, changed=lambda text: text):
    """Write the statistics into another package under other names; return the digest there."""

    def renamed(text):
        text = text.replace("from calque.phases.noise import kalman", "import calque.phases.noise.kalman as kalman")
        for old, new in RENAMED.items():
            text = re.sub(rf"{re.escape(old)}\b", new.format(package), text)
        return text

    for name, text in sources.sources(sources.ROOTS, sources.PACKAGE).items():
        path = folder / renamed(name).replace(".", "/")
        path = path / "__init__.py" if name == "calque.phases.shapes" else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# moved\n" + changed(renamed(text)))
    roots = [renamed(root) for root in sources.ROOTS]
    return sources.digest_of(sources.sources(roots, package).values(), package)


def test_the_source_digest_is_of_what_is_computed_and_not_of_where_it_stands(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    assert moved(tmp_path, "elsewhere") == sources.source_digest()
    number = r"RISE_EVIDENCE = 20\.0"
    assert any(re.search(number, text) for text in sources.sources(sources.ROOTS, sources.PACKAGE).values())
    changed = moved(tmp_path, "otherwise", lambda text: re.sub(number, "RISE_EVIDENCE = 12.5", text))
    assert changed != sources.source_digest()


def test_comments_docstrings_and_imports_do_not_count_as_statistics():
    one = """
from calque.phases.noise.kalman import proportions as drawn

WILD = 7.0

def f(x):
    return WILD * drawn(x)
"""
    other = '''
"""A module."""
from calque.phases.noise import kalman  # another way

WILD = 7.0
"""Standard deviations."""

def f(x):
    """Return it."""
    return (WILD * kalman.proportions(x))
'''
    assert sources.digest_of([one], sources.PACKAGE) == sources.digest_of([other, "import math"], sources.PACKAGE)
    apart = one[one.index("def f") :]  # the function in a module of its own
    halves = [one[: one.index("def f")], "from calque.phases.noise.kalman import proportions as drawn\n" + apart]
    assert sources.digest_of(halves, sources.PACKAGE) == sources.digest_of([one], sources.PACKAGE)
    for old, new in (("7.0", "7"), ("WILD *", "WILD +"), ("drawn(x)", "drawn(-x)")):
        assert sources.digest_of([one.replace(old, new)], sources.PACKAGE) != sources.digest_of([one], sources.PACKAGE)


# ------------------------------------------------------------------ command


def phases(*words):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["phases", *map(str, words)])
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    return code, out.getvalue(), err.getvalue()


def test_the_suite_is_listed_run_and_written_between_the_markers(tmp_path, fake):
    code, out, _ = phases("calibrate", "--list", "--cells", "lag/*")
    assert code == 0 and out.count("lag/") == 10 and "10 cells" in out
    page, out_file, json_file = tmp_path / "page.md", tmp_path / "c.jsonl", tmp_path / "c.json"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    words = ("calibrate", "--suite", "standard", "--cells", "delay/size/flat/*", "--replicates", 100, "--jobs", 1)
    code, out, err = phases(*words, "--out", out_file, "--markdown", page, "--json", json_file)
    assert code == 0, err
    text = page.read_text()
    assert (
        text.startswith(f"before\n{BEGIN}\nSuite standard") and text.endswith(f"{END}\nafter\n") and "old" not in text
    )
    assert "| flat/rho-0.9 | 100 | .510±.050 |" in text and "missed: rejected" in text and "missed" in out
    found = json.loads(json_file.read_text())
    assert found["schema"] == 1 and len(found["cells"]) == 3 and found["cells"][0]["targets"][0]["verdict"] == "missed"
    assert len(out_file.read_text().splitlines()) == 15


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give CUBE"),
        (("no.nc",), "no.nc is missing"),
        (("--suite", "standrd"), "did you mean 'standard'"),
        (("--suite", "standard", "--cells", "takof/sharp/rho-0.6"), "did you mean 'takeoff/sharp/rho-0.6'"),
        (("--suite", "standard", "--level", "0.9"), "leave both out"),
        (("--suite", "standard", "--boot", "3"), "19 to 100000"),
        (("x.nc", "--cells", "lag/*"), "go with --suite"),
        (("x.nc", "--suite", "standard"), "both given"),
        (("--suite", "standard", "--replicates", "0"), "1 or more"),
        (("--suite", "standard", "--metric", "copying"), "go with CUBE"),
    ],
)
def test_mistakes_are_one_line(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = phases("calibrate", *words)
    assert code == 2 and said in err and err.count("\n") == 1 and err.startswith("phases: ")


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "notes.jsonl"
    path.write_text("hello\n")
    code, _, err = phases("calibrate", "--suite", "standard", "--out", path)
    assert code == 2 and "notes.jsonl, line 1" in err and path.read_text() == "hello\n"
    page = tmp_path / "page.md"
    page.write_text("no markers\n")
    code, _, err = phases("calibrate", "--suite", "standard", "--markdown", page)
    assert code == 2 and "lacks the lines" in err


@pytest.mark.simulation
def test_a_cube_is_calibrated_from_the_command_line(tmp_path):
    path, out = tmp_path / "results.nc", tmp_path / "c.json"
    cubes.write(study(seed=2, runs=2, languages=4, concepts=12, n=24)[0], path)
    words = ("--replicates", 2, "--boot", 19, "--jobs", 1, "--metric", "copying", "--metric", "translation")
    code, text, err = phases("calibrate", path, "--run", "seed1", *words, "--json", out)
    assert code == 0, err
    found = json.loads(out.read_text())
    assert [(s["run"], s["metric"]) for s in found["series"]] == [("seed1", "copying"), ("seed1", "translation")]
    assert [(g["first"], g["second"]) for g in found["lags"]] == [("copying", "translation")]
    assert found["settings"]["replicates"] == 2 and found["series"][0]["fitted"]["coverage"]["n"] == 2
    assert "2 simulated series a question" in text and "seed0" not in text
    code, _, err = phases("calibrate", path, "--run", "seed9")
    assert code == 2 and "did you mean 'seed" in err


def test_tables_hold_every_cell_of_the_suite():
    results = [run.Result(c, 0, {}, 0.0) for c in STANDARD]
    assert sum(len(grid.rows) for grid in tables.suite_grids(results)) == len(STANDARD)

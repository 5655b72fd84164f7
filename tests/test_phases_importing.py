"""Importing other tools' logs: the contract of all formats, tables, the command."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.data import cube as cubes
from calque.data.errors import UserError
from calque.phases.detection.detect import detect
from calque.phases.formats.base import Request
from calque.phases.formats.dataset import RESERVED
from calque.phases.formats.importing import import_log
from calque.phases.formats.registry import FORMATS, guess, read
from calque.phases.settings import Settings
from tests import phases_simulation as sim
from tests.phases_logs import PER_STEP, STEPS, TRIALS, WRITERS, correct, table, write_lm_eval
from tests.test_phases_cli import phases, refused


@pytest.mark.contract
def test_every_format_has_a_writer_here():
    assert set(WRITERS) == set(FORMATS)


@pytest.mark.contract
@pytest.mark.parametrize("name", FORMATS)
def test_contract(name, tmp_path):
    """The same log comes back from every format: guessed, complete, in order, with its trials."""
    asked = WRITERS[name](tmp_path)
    assert guess(asked["path"]) == name
    made = import_log(Request(**asked))
    cube = made.cube
    assert made.format == name and made.guessed and cube.sizes == {"run": 2, "checkpoint": len(STEPS)}
    assert [r.removeprefix("org/") for r in cube["run"].values] == ["a", "b"]
    metric = asked["metrics"][0].replace("/", ".")
    for i in range(2):
        np.testing.assert_array_equal(cube["tokens"][i], STEPS * float(PER_STEP))
        scale = TRIALS if cube[metric].attrs["metric_kind"] == "proportion" else 1
        np.testing.assert_allclose(cube[metric][i] * scale, correct(i), atol=1e-4)
    trials = cube[metric].attrs["trials"]
    np.testing.assert_array_equal(cube[trials] if isinstance(trials, str) else trials, TRIALS)
    assert cube.attrs["imported_format"] == name and cube.attrs["imported_from"] == asked["path"].name
    options = json.loads(cube.attrs["import_options"])
    assert options["metrics"] == list(asked["metrics"]) and options.get("trials") == asked.get("trials")
    cubes.write(cube, tmp_path / "cube.nc")
    back = cubes.read(tmp_path / "cube.nc")
    np.testing.assert_array_equal(back[metric], cube[metric])
    if "tokens_per_step" in asked:
        np.testing.assert_array_equal(back["step"][0], STEPS)
        del asked["tokens_per_step"]
        with pytest.raises(UserError, match="counts steps.*give `tokens_per_step`.*or 1 as `tokens_per_step`"):
            import_log(Request(**asked))
        raw = import_log(Request(**asked, tokens_per_step=1.0)).cube
        np.testing.assert_array_equal(raw["tokens"][0], STEPS)


@pytest.mark.contract
@pytest.mark.parametrize("name", FORMATS)
def test_contract_of_refusals(name, tmp_path):
    """Unknown metrics are named with what there is; a missing or empty path is one line."""
    asked = WRITERS[name](tmp_path)
    right = asked["metrics"][0]
    with pytest.raises(UserError, match=f"'{right}x'.*{right}.*did you mean '{right}'"):
        import_log(Request(**asked | {"metrics": (f"{right}x",)}))
    with pytest.raises(UserError, match="missing"):
        read(name, Request(path=tmp_path / "none", metrics=(right,), tokens="t"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="empty"):
        read(name, Request(path=empty, metrics=(right,)))
    with pytest.raises(UserError, match="is an empty folder"):
        guess(empty)
    (empty / "cube.nc").touch()
    with pytest.raises(UserError, match="cannot tell what wrote this; give `format`: csv"):
        guess(empty)
    with pytest.raises(UserError, match="needs no import: phases detect"):
        guess(empty / "cube.nc")


@pytest.mark.contract
@pytest.mark.parametrize("name", FORMATS)
def test_detect_on_every_format(name, tmp_path):
    """From the tool's files to a dated takeoff, through the two commands' own code."""
    asked = WRITERS[name](tmp_path)
    report = detect(import_log(Request(**asked)).cube.isel(run=[0]), Settings(boot=19))
    rows = {t.estimand: t for t in report.transitions}
    assert rows["takeoff"].outcome == "found", rows["takeoff"].reason
    assert rows["takeoff"].low < rows["takeoff"].tokens < rows["takeoff"].high
    assert 100 * PER_STEP < rows["takeoff"].tokens < 600 * PER_STEP


values_ = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6, allow_nan=False))
runs_ = st.dictionaries(
    st.sampled_from(["a", "b", "c-1", "ü"]),
    st.dictionaries(st.integers(0, 10**7), st.tuples(values_, values_), min_size=1, max_size=6),
    min_size=1,
)


@pytest.mark.property
@pytest.mark.parametrize("name", ["csv", "parquet", "wandb"])
@settings(max_examples=25)
@given(runs=runs_)
def test_round_trip(name, runs, tmp_path_factory):
    """Import of any ragged log, rows in any order, gives back every value at its place, NaN where there is none."""
    folder = tmp_path_factory.mktemp("log")
    rows = [{"run": r, "_step": s, "x": x, "y": y} for r, log in runs.items() for s, (x, y) in log.items()]
    table = pd.DataFrame(rows)
    asked = {"metrics": ("x", "y"), "run": "run", "tokens": "_step", "tokens_per_step": 8.0, "unsorted": True}
    runs = {r: {s: v for s, v in log.items() if not np.isnan(v).all()} for r, log in runs.items()}
    runs = {r: log for r, log in runs.items() if log}
    if not runs:
        return
    if name == "wandb":
        path = folder / "history.jsonl"
        path.write_text("\n".join(json.dumps({k: v for k, v in r.items() if v == v}) for r in rows))
        if not any(np.isfinite(v[i]) for i in (0,) for log in runs.values() for v in log.values()) or (
            not any(np.isfinite(v[1]) for log in runs.values() for v in log.values())
        ):  # a history in which a metric was never logged has no such column
            return
    elif name == "csv":
        path = folder / "log.csv"
        table.to_csv(path, index=False)
    else:
        path = folder / "log.parquet"
        table.to_parquet(path)
    cube = import_log(Request(path=path, **asked), name).cube
    assert set(cube["run"].values) == set(runs)
    for r, log in runs.items():
        one = cube.sel(run=r)
        n = len(log)
        np.testing.assert_array_equal(one["tokens"][:n], 8.0 * np.array(sorted(log)))
        assert np.isnan(one["tokens"][n:]).all()
        for i, metric in enumerate(("x", "y")):
            np.testing.assert_array_equal(one[metric][:n], [log[s][i] for s in sorted(log)])
            assert np.isnan(one[metric][n:]).all()


@pytest.mark.parametrize(
    "text,more,words",
    [
        ("t,a\n1,2\n1,3\n", {}, "two rows at 1 tokens.*with `run`"),
        ("t,a\n1,2\n2,x\n", {}, "'a' holds 'x' in line 3; expected a number"),
        ("t,a\n1,2.5%\n2,3%\n", {}, "'a' holds '2.5%' in line 2; .*take the % out and name the metric in `percent`"),
        ("t,a\n1,2\n2,%\n", {}, "'a' holds '%' in line 3; expected a number$"),
        ("t,a\n1,2\n2,inf\n", {}, "infinite value in line 3"),
        ("t,a\n,2\n", {}, "holds no number; expected training tokens"),
        ("t,a\n-1,2\n", {}, "stands at -1 tokens; expected 0 or more"),
        ("t,a,step\n1,2,1\n", {"tokens": "step"}, "'step' counts steps, not tokens"),
        ("t,a,trainer/global_step\n1,2,1\n", {"tokens": "trainer/global_step"}, "counts steps"),
        ("t,a\n1,2\n", {"tokens": None}, "with `tokens`.*the columns are t, a"),
        ("t,a\n1,2\n", {"checkpoint": re.compile("x")}, "`checkpoint` has no use here"),
        ("t,a,r\n1,2,\n", {"run": "r"}, "'r' is empty in line 2"),
        (
            "t,a\n1,45.5\n2,50\n",
            {"trials": "100"},
            "'a' of run 'log' at 1 tokens is 45.5 with 100 trials.*name it in `percent` if it is in percent",
        ),
        ("t,a\n1,4\n2,101\n", {"trials": "100"}, "'a' of run 'log' at 2 tokens is 101 with 100 trials"),
        ("t,a\n1,4\n", {"trials": "-3"}, "no column '-3'"),
        ("t,a\n1,4\n", {"metrics": ("a", "a/")}, "no column 'a/'"),
        ("t,overlap\n1,4\n", {"metrics": ("overlap",)}, "reserved name"),
    ],
)
def test_tables_refuse(tmp_path, text, more, words):
    asked = {"path": table(tmp_path, text), "tokens": "t", "metrics": ("a",)} | more
    with pytest.raises(UserError, match=words) as refusal:
        import_log(Request(**asked))
    assert "\n" not in str(refusal.value)


def test_tables_keep_what_is_missing_missing(tmp_path):
    path = table(tmp_path, "t\ta\tb\n3\t\t1\n1\t0.5\t\n\t0.9\t9\n2\t0.25\t7\n", "log.tsv")
    made = import_log(Request(path=path, tokens="t", metrics=("a", "b"), unsorted=True))
    np.testing.assert_array_equal(made.cube["tokens"], [[1, 2, 3]])
    np.testing.assert_array_equal(made.cube["a"], [[0.5, 0.25, np.nan]])
    np.testing.assert_array_equal(made.cube["b"], [[np.nan, 7, 1]])
    assert made.cube["a"].metric_kind == "proportion" and made.cube["b"].metric_kind == "continuous"
    assert made.notes[0] == "1 row without 't' left out" and len(made.notes) == 2
    assert "left out" in made.cube.attrs["import_notes"]
    loss = import_log(Request(path=path, tokens="t", metrics=("a",), unsorted=True), continuous=("a",)).cube
    assert loss["a"].metric_kind == "continuous"


def test_every_nth_checkpoint(tmp_path):
    """A log of every training step can be thinned; of a dense one it is said that detect averages it."""
    path = table(tmp_path, "t,a,r\n" + "".join(f"{t},{t},{r}\n" for r in "uv" for t in range(1201)))
    made = import_log(Request(path=path, tokens="t", metrics=("a",), run="r"))
    assert made.cube.sizes["checkpoint"] == 1201 and "u, v: 1201 checkpoints are analysed as" in made.notes[-1]
    made = import_log(Request(path=path, tokens="t", metrics=("a",), run="r"), every=100)
    np.testing.assert_array_equal(made.cube["tokens"], [np.arange(0, 1201, 100)] * 2)
    assert not made.notes and json.loads(made.cube.attrs["import_options"])["every"] == 100


def test_two_names_that_become_one_are_refused(tmp_path):
    path = table(tmp_path, "t,x/y,x.y\n1,2,3\n")
    with pytest.raises(UserError, match="would both be called 'x.y'"):
        import_log(Request(path=path, tokens="t", metrics=("x/y", "x.y")))


def test_standard_metrics_may_be_imported(tmp_path):
    """A log that has copying and translation as columns gets its lag, too; item-level names stay reserved."""
    assert not {"translation", "copying", "loss"} & RESERVED and "translation_logprob" in RESERVED


def test_command_says_what_it_read(tmp_path):
    write_lm_eval(tmp_path)
    out = tmp_path / "lm.nc"
    done = phases("import", tmp_path / "out", "--metric", "lambada_openai/acc", "--tokens-per-step", "2_097_152",
                  "-o", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "read as lm-eval (guessed" in done.stdout and "2 runs, up to 18 checkpoints" in done.stdout
    assert "lambada_openai/acc" in done.stdout
    done = phases("import", tmp_path / "out", "--metric", "lambada_openai/acc", "--tokens-per-step", "2M", "-o", out,
                  "--from", "lm-eval", "--checkpoint", r"step(?P<step>\d+)", "--json", "-")  # fmt: skip
    told = json.loads(done.stdout)
    assert told["format"] == "lm-eval" and not told["guessed"] and told["runs"][0]["checkpoints"] == 18
    assert told["metrics"] == [
        {"metric": "lambada_openai/acc", "variable": "lambada_openai.acc", "metric_kind": "proportion", "trials": 500.0}
    ]
    assert float(cubes.read(out)["tokens"][0, 0]) == 2e6


def test_command_refuses_in_one_line(tmp_path):
    log = table(tmp_path, "t,a\n1,2\n")
    end = ("--tokens", "t", "--metric", "a", "-o", tmp_path / "o.nc")
    refused(phases("import", log, "--from", "parket", *end), "expected one of csv", "did you mean 'parquet'")
    refused(phases("import", log, "--tokens-per-step", "many", *end), "--tokens-per-step is 'many'", "2097152")
    refused(phases("import", log, "--checkpoint", "(", *end), "--checkpoint is '('", "regular expression")
    refused(phases("import", log, "--checkpoint", "x", *end), "group named step or tokens")
    refused(
        phases("import", log, "--continuous", "aa", *end),
        "--continuous has 'aa'; expected one of --metric",
        "did you mean 'a'",
    )
    refused(phases("import", log, "--from", "parquet", *end), "cannot be read as Parquet")
    refused(phases("import", log, *end[:-1], tmp_path / "no" / "o.nc"), "folder")
    help_ = phases("import", "--help").stdout
    assert all(name in help_ for name in FORMATS) and "--tokens-per-step" in help_


def test_import_then_detect(tmp_path):
    tokens = sim.schedule("mixed", 40)
    rng = np.random.default_rng(0)
    lines = ["run,tok,acc,n,ppl"]
    for run in ("b", "a"):
        k = sim.counts(rng, sim.onset(1e6, 0.2)(tokens), 150)
        lines += [f"{run},{t:.0f},{v / 150},150,{9 - v / 50}" for t, v in zip(tokens, k, strict=True)][::-1]
    log = tmp_path / "log.csv"
    log.write_text("\n".join(lines))
    out = tmp_path / "log.nc"
    done = phases("import", log, "--tokens", "tok", "--metric", "acc", "--trials", "n", "--run", "run", "-o", out)
    assert done.returncode == 0, done.stderr
    made = cubes.read(out)
    assert made["acc"].attrs["metric_kind"] == "proportion" and set(made["run"].values) == {"a", "b"}
    done = phases("detect", out, "--boot", 39, "--json", "-", "-q")
    rows = [t for t in json.loads(done.stdout)["transitions"] if t["estimand"] == "takeoff"]
    assert len(rows) == 2 and all(t["outcome"] == "found" and t["low"] < 1.05e6 < t["high"] * 1.2 for t in rows)
    refused(phases("import", log, "--tokens", "tokn", "--metric", "acc", "-o", out), "did you mean 'tok'")
    refused(phases("import", log, "--tokens", "tok", "--metric", "acc", "-o", out), "falls from", "--run", "--unsorted")
    refused(phases("import", log, "--tokens", "run", "--metric", "acc", "-o", out), "expected a number")
    refused(phases("import", tmp_path / "no.csv", "--tokens", "tok", "--metric", "acc", "-o", out), "missing")


@pytest.mark.parametrize("package,name", [("pyarrow", "parquet"), ("tensorboard", "tensorboard")])
def test_without_the_optional_package(package, name, tmp_path):
    """One line says what is missing and how to install it; CSV does not need it."""
    asked = WRITERS[name](tmp_path)
    log = table(tmp_path, "t,a\n1,2\n")

    def without(*words):
        code = f"import sys; sys.modules[{package!r}] = None; from calque.phases.cli import main; main()"
        return subprocess.run([sys.executable, "-c", code, "import", *map(str, words), "-o", str(tmp_path / "o.nc")],
                              capture_output=True, text=True, cwd=Path(__file__).parent.parent)  # fmt: skip

    refused(without(asked["path"], "--tokens", "step", "--metric", "acc"), f"needs the package {package},",
            'pip install "calque[formats]"')  # fmt: skip
    assert without(log, "--tokens", "t", "--metric", "a").returncode == 0

"""Importing other tools' logs: files their own libraries wrote where there is one, real layouts where there is none."""

import gzip
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
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util

from data import cube as cubes
from data.errors import UserError
from phases.detect import detect
from phases.formats.base import Request
from phases.formats.checkpoint_names import named
from phases.formats.item_counts import whole_trials
from phases.formats.registry import FORMATS, guess, read
from phases.importing import RESERVED, import_log
from phases.settings import Settings
from tests import phases_simulation as sim
from tests.test_phases_cli import phases, refused

STEPS = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000])
PER_STEP = 2_097_152
TRIALS = 500


def correct(seed=0, steps=STEPS):
    """Right answers out of TRIALS: a floor, a takeoff near step 600, a ceiling."""
    rng = np.random.default_rng(seed)
    p = 0.02 + 0.6 / (1 + (600 / steps) ** 3)
    return rng.binomial(TRIALS, p)


def scalar(tag, value, step, *, tensor=False, wall=0.0):
    made = summary_pb2.Summary.Value(tag=tag)
    if tensor:
        made.tensor.CopyFrom(tensor_util.make_tensor_proto(np.float64(value)))
    else:
        made.simple_value = value
    return event_pb2.Event(step=int(step), wall_time=wall, summary=summary_pb2.Summary(value=[made]))


def events(folder, made, suffix=""):
    """Write event files as TensorBoard itself does."""
    writer = EventFileWriter(str(folder), filename_suffix=suffix)
    for event in made:
        writer.add_event(event)
    writer.close()
    return next(p for p in sorted(folder.iterdir(), reverse=True) if p.name.endswith(suffix))


def harness(path, acc, revision="step1000", *, model="EleutherAI/pythia-160m", task="lambada_openai", **more):
    """Write one result file of the current harness."""
    n = more.pop("n", TRIALS)
    se = float(np.sqrt(acc * (1 - acc) / (n - 1)))
    result = {"alias": task, "acc,none": acc, "acc_stderr,none": se, "perplexity,none": 0.5, "f1,none": 0.1234567}
    whole = {
        "results": {task: result},
        "group_subtasks": {task: []},
        "configs": {task: {"task": task}},
        "versions": {task: 1.0},
        "n-shot": {task: more.pop("shots", 0)},
        "higher_is_better": {task: {"acc": True, "perplexity": False}},
        "n-samples": {task: {"original": 5153, "effective": n}},
        "config": {"model": "hf", "model_args": f"pretrained={model},revision={revision},dtype=float32"},
        "date": 1734000000.0,
        "model_name": model,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**whole, **more}))
    return path


# One log of two runs in every format, by its own conventions: what is written, and what asks for it.


def write_csv(folder):
    rows = [f"{r},{s * PER_STEP},{float(c / TRIALS)!r},{TRIALS}" for r, seed in (("a", 0), ("b", 1))
            for s, c in zip(STEPS, correct(seed), strict=True)]  # fmt: skip
    path = folder / "log.csv.gz"
    path.write_bytes(gzip.compress(("run,tokens,acc,n\n" + "\n".join(rows)).encode()))
    return {"path": path, "tokens": "tokens", "trials": "n", "run": "run", "metrics": ("acc",)}


def write_parquet(folder):
    path = folder / "parts"
    path.mkdir()
    for r, seed in (("a", 0), ("b", 1)):
        pd.DataFrame({"run": r, "step": STEPS, "acc": correct(seed)}).to_parquet(path / f"{seed}.parquet")
    return {"path": path, "tokens": "step", "tokens_per_step": PER_STEP, "trials": str(TRIALS), "run": "run",
            "metrics": ("acc",)}  # fmt: skip


def write_tensorboard(folder):
    for r, seed in (("a", 0), ("b", 1)):
        events(folder / "tb" / r, [scalar("acc", c, s, tensor=seed == 1)
                                   for s, c in zip(STEPS, correct(seed), strict=True)])  # fmt: skip
    return {"path": folder / "tb", "tokens_per_step": PER_STEP, "trials": str(TRIALS), "metrics": ("acc",)}


def write_wandb(folder):
    columns = {"Step": STEPS}
    for r, seed in (("a", 0), ("b", 1)):
        columns |= {f"{r} - acc{end}": correct(seed) for end in ("", "__MIN", "__MAX")}
    path = folder / "wandb_export_2024-05-05T10_07_23.233-04_00.csv"
    pd.DataFrame(columns).to_csv(path, index=False, quoting=1)
    return {"path": path, "tokens_per_step": PER_STEP, "trials": str(TRIALS), "metrics": ("acc",)}


def write_lm_eval(folder):
    for r, seed in (("org/a", 0), ("org/b", 1)):
        for i, (s, c) in enumerate(zip(STEPS, correct(seed), strict=True)):
            name = f"results_2024-12-{i + 1:02d}T10-00-00.123456.json"
            harness(folder / "out" / r.replace("/", "__") / name, c / TRIALS, f"step{s}", model=r)
    return {"path": folder / "out", "tokens_per_step": PER_STEP, "metrics": ("lambada_openai/acc",)}


WRITERS = {"csv": write_csv, "parquet": write_parquet, "tensorboard": write_tensorboard, "wandb": write_wandb,
           "lm-eval": write_lm_eval}  # fmt: skip


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
        with pytest.raises(UserError, match="counts steps.*--tokens-per-step N.*--tokens-per-step 1"):
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
    with pytest.raises(UserError, match="cannot tell what wrote this; say --from csv"):
        guess(empty)
    (empty / "cube.nc").touch()
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
@settings(max_examples=25, deadline=None)
@given(runs=runs_)
def test_round_trip(name, runs, tmp_path_factory):
    """Import of any ragged log, rows in any order, gives back every value at its place, NaN where there is none."""
    folder = tmp_path_factory.mktemp("log")
    rows = [{"run": r, "_step": s, "x": x, "y": y} for r, log in runs.items() for s, (x, y) in log.items()]
    table = pd.DataFrame(rows)
    asked = {"metrics": ("x", "y"), "run": "run", "tokens": "_step", "tokens_per_step": 8.0}
    if name == "wandb":
        path = folder / "history.jsonl"
        path.write_text("\n".join(json.dumps({k: v for k, v in r.items() if v == v}) for r in rows))
        runs = {r: {s: v for s, v in log.items() if not np.isnan(v).all()} for r, log in runs.items()}
        runs = {r: log for r, log in runs.items() if log}
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
            np.testing.assert_allclose(one[metric][:n], [log[s][i] for s in sorted(log)], rtol=1e-12)
            assert np.isnan(one[metric][n:]).all()


# Tables


def table(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text,more,words",
    [
        ("t,a\n1,2\n1,3\n", {}, "two rows at 1 tokens.*--run"),
        ("t,a\n1,2\n2,x\n", {}, "'a' holds 'x' in line 3; expected a number"),
        ("t,a\n1,2\n2,inf\n", {}, "infinite value in line 3"),
        ("t,a\n,2\n", {}, "holds no number; expected training tokens"),
        ("t,a\n-1,2\n", {}, "stands at -1 tokens; expected 0 or more"),
        ("t,a,step\n1,2,1\n", {"tokens": "step"}, "'step' counts steps, not tokens"),
        ("t,a,trainer/global_step\n1,2,1\n", {"tokens": "trainer/global_step"}, "counts steps"),
        ("t,a\n1,2\n", {"tokens": None}, "--tokens COL.*the columns are t, a"),
        ("t,a\n1,2\n", {"checkpoint": re.compile("x")}, "--checkpoint says nothing here"),
        ("t,a,r\n1,2,\n", {"run": "r"}, "'r' is empty in line 2"),
        ("t,a\n1,45.5\n2,50\n", {"trials": "100"}, "holds 45.5 with 100 trials.*--percent for percentages"),
        ("t,a\n1,4\n2,101\n", {"trials": "100"}, "holds 101 with 100 trials"),
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
    made = import_log(Request(path=path, tokens="t", metrics=("a", "b")))
    np.testing.assert_array_equal(made.cube["tokens"], [[1, 2, 3]])
    np.testing.assert_array_equal(made.cube["a"], [[0.5, 0.25, np.nan]])
    np.testing.assert_array_equal(made.cube["b"], [[np.nan, 7, 1]])
    assert made.cube["a"].metric_kind == "proportion" and made.cube["b"].metric_kind == "continuous"
    assert made.notes == ("1 row without 't' left out",)
    assert "left out" in made.cube.attrs["import_notes"]
    loss = import_log(Request(path=path, tokens="t", metrics=("a",)), continuous=("a",)).cube
    assert loss["a"].metric_kind == "continuous"


def test_every_nth_checkpoint(tmp_path):
    """A log of every training step can be thinned; a log too dense for detect says so."""
    path = table(tmp_path, "t,a,r\n" + "".join(f"{t},{t},{r}\n" for r in "uv" for t in range(1201)))
    made = import_log(Request(path=path, tokens="t", metrics=("a",), run="r"))
    assert made.cube.sizes["checkpoint"] == 1201 and "--every 2" in made.notes[-1]
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


# TensorBoard


def test_tensorboard_restart(tmp_path):
    """The later write of a step stands, whatever the order on disk; what a declared restart voids is gone."""
    first = [scalar("acc", 0.1 * s, s, wall=s) for s in range(1, 7)]
    later = [scalar("acc", 0.01 * s, s, wall=100 + s) for s in (4, 5)]
    events(tmp_path, later, ".a")
    events(tmp_path, first, ".b")
    for file, wall in zip(sorted(tmp_path.iterdir(), key=lambda p: p.name[-1]), (100.0, 1.0), strict=True):
        _begin_at(file, wall)
    made = import_log(Request(path=tmp_path, metrics=("acc",), tokens_per_step=10.0))
    np.testing.assert_allclose(made.cube["acc"][0], [0.1, 0.2, 0.3, 0.04, 0.05, 0.6], atol=1e-7)
    assert any("2 earlier values of its tags" in note for note in made.notes)
    restart = event_pb2.Event(step=4, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))
    _begin_at(events(tmp_path, [restart, *later], ".c"), 200.0)
    made = import_log(Request(path=tmp_path, metrics=("acc",), tokens_per_step=10.0))
    np.testing.assert_allclose(made.cube["acc"][0], [0.1, 0.2, 0.3, 0.04, 0.05], atol=1e-7)


def _begin_at(file, wall):
    """Rewrite a file so that it was begun at ``wall``, with TensorBoard's own record writer."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    from tensorboard.summary.writer.record_writer import RecordWriter

    kept = list(LegacyEventFileLoader(str(file)).Load())
    kept[0].wall_time = wall
    with file.open("wb") as opened:
        writer = RecordWriter(opened)
        for event in kept:
            writer.write(event.SerializeToString())


def test_tensorboard_tokens_between_steps(tmp_path):
    """A tokens tag logged at other steps than the metric gives the place on the line between; none beyond."""
    made = [scalar("tokens", 1000.0 * s, s) for s in (0, 10, 20)]
    made += [scalar("eval/acc", 0.1, 5), scalar("eval/acc", 0.2, 10), scalar("eval/acc", 0.3, 25)]
    made += [event_pb2.Event(step=7, summary=summary_pb2.Summary(value=[_text("eval/notes")]))]
    made += [scalar("eval/acc", float("nan"), 12), scalar("eval/acc", float("inf"), 13)]
    events(tmp_path / "run", made)
    events(tmp_path / "other", [scalar("lr", 1.0, 1)])
    got = import_log(Request(path=tmp_path, metrics=("eval/acc",), tokens="tokens"))
    np.testing.assert_array_equal(got.cube["tokens"], [[5000, 10000]])
    np.testing.assert_array_equal(got.cube["step"], [[5, 10]])
    np.testing.assert_allclose(got.cube["eval.acc"], [[0.1, 0.2]], atol=1e-7)
    notes = " | ".join(got.notes)
    assert "1 step is on the line" in notes and "1 step outside" in notes
    assert "'other' has none of the tags" in notes and "1 infinite value of" in notes
    with pytest.raises(UserError, match="no tag 'eval/notes'; it has eval/acc, lr, tokens"):
        import_log(Request(path=tmp_path, metrics=("eval/notes",), tokens_per_step=1.0))
    with pytest.raises(UserError, match="--run says nothing here"):
        import_log(Request(path=tmp_path, metrics=("eval/acc",), run="run"))


def _text(tag):
    made = summary_pb2.Summary.Value(tag=tag)
    made.tensor.CopyFrom(tensor_util.make_tensor_proto("words", dtype="string"))
    return made


def test_tensorboard_cut_and_damaged_files(tmp_path):
    file = events(tmp_path, [scalar("acc", 0.1 * s, s) for s in range(1, 6)])
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    made = import_log(Request(path=tmp_path, metrics=("acc",), tokens_per_step=1.0))
    np.testing.assert_array_equal(made.cube["tokens"], [[1, 2, 3, 4]])
    assert any("after record 5, are cut or damaged" in note for note in made.notes)
    size = len(whole)
    file.write_bytes(whole[: size - 60] + b"\xff\xff" + whole[size - 58 :])
    made = import_log(Request(path=file, metrics=("acc",), tokens_per_step=1.0))
    assert any(re.search(r"after record [34], are cut or damaged and are not read", n) for n in made.notes)
    assert made.cube.sizes["checkpoint"] < 5 and list(made.cube["run"].values) == [tmp_path.name]


def test_a_file_that_is_no_event_file(tmp_path):
    path = table(tmp_path, "abcdefgh", "events.out.tfevents.1")
    with pytest.raises(UserError, match="holds no scalar .*the last 8 bytes, after record 0"):
        import_log(Request(path=path, metrics=("acc",), tokens_per_step=1.0))


# Weights & Biases


def test_wandb_chart(tmp_path):
    """Run names may hold ' - '; MIN and MAX are not runs; the x axis may be tokens; empty cells are missing."""
    path = table(
        tmp_path,
        '"tokens","big - lr - eval/acc","big - lr - eval/acc__MIN","big - lr - eval/acc__MAX","small - eval/acc",'
        '"small - eval/acc__MIN","small - eval/acc__MAX","dead - eval/acc","dead - eval/acc__MIN",'
        '"dead - eval/acc__MAX"\n"10","0.1","0","1","","","","","",""\n"20","0.2","0","1","0.5","0","1","","",""\n'
        '"30","NaN","0","1","0.75","0","1","","",""\n',
    )
    made = import_log(Request(path=path, metrics=("eval/acc",), tokens="tokens"))
    assert made.format == "wandb" and list(made.cube["run"].values) == ["big - lr", "small"]
    np.testing.assert_array_equal(made.cube["tokens"], [[10, 20], [20, 30]])
    np.testing.assert_array_equal(made.cube["eval.acc"], [[0.1, 0.2], [0.5, 0.75]])
    assert any("'dead' has no value" in note for note in made.notes)
    with pytest.raises(UserError, match="no chart of 'eval/ac'; it has eval/acc; did you mean 'eval/acc'"):
        import_log(Request(path=path, metrics=("eval/ac",), tokens="tokens"))
    with pytest.raises(UserError, match="no x axis 'Step'; it has tokens"):
        import_log(Request(path=path, metrics=("eval/acc",)))
    with pytest.raises(UserError, match="a chart's columns name the runs"):
        import_log(Request(path=path, metrics=("eval/acc",), tokens="tokens", run="run"))


def test_wandb_history(tmp_path):
    """Files and folders of parts are runs; nested objects are flattened; rows of one place are one checkpoint."""
    rows = [
        {"_step": 0, "_runtime": 1.0, "tokens": 0, "loss": 9.0},
        {"_step": 1, "tokens": 100, "loss": 5.0},
        {"_step": 2, "tokens": 100, "eval": {"acc": 0.25}},
        {"_step": 4, "eval": {"acc": "NaN"}, "loss": "Infinity"},
        {"_step": 5, "eval": {"acc": 0.5}, "loss": "Infinity"},
        {"_step": 7, "tokens": 300, "note": "\u2028"},
    ]
    folder = tmp_path / "export"
    (folder / "parts").mkdir(parents=True)
    (folder / "one.jsonl").write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows))
    for i in range(2):
        pd.DataFrame({"_step": [2 * i, 2 * i + 1], "_timestamp": 1.0, "tokens": [200 * i, 200 * i + 100],
                      "eval.acc": [0.1, 0.2]}).to_parquet(folder / "parts" / f"000{i}.parquet")  # fmt: skip
    (folder / "else.jsonl").write_text('{"_step": 1, "lr": 1}')
    assert guess(folder) == "wandb"
    made = import_log(Request(path=folder, metrics=("eval.acc", "loss"), tokens="tokens"))
    one = made.cube.sel(run="one")
    np.testing.assert_array_equal(one["tokens"][:3], [0, 100, 220])
    np.testing.assert_array_equal(one["eval.acc"][:3], [np.nan, 0.25, 0.5])
    np.testing.assert_array_equal(one["loss"][:3], [9, 5, np.nan])
    np.testing.assert_array_equal(made.cube.sel(run="parts")["tokens"], [0, 100, 200, 300])
    notes = " | ".join(made.notes)
    assert "infinite" in notes and "'else' has none" in notes and "on the line" in notes
    assert guess(folder / "parts" / "0000.parquet") == guess(folder / "one.jsonl") == "wandb"
    alone = import_log(Request(path=folder / "parts", metrics=("eval.acc",), tokens_per_step=2.0)).cube
    assert list(alone["run"].values) == ["parts"] and alone.sizes["checkpoint"] == 4


def test_wandb_refuses_two_values_at_one_place(tmp_path):
    path = table(tmp_path, '{"_step": 1, "acc": 0.5}\n{"_step": 1, "acc": 0.6}\n', "history.jsonl")
    with pytest.raises(UserError, match="run 'history' has two values of 'acc' at 1 tokens.*tell the runs apart"):
        import_log(Request(path=path, metrics=("acc",), tokens_per_step=1.0))
    path.write_text('{"_step": 1, "acc": 0.5}\n{"_step": 2, "ac')
    with pytest.raises(UserError, match="cannot be read as JSON .line 2"):
        import_log(Request(path=path, metrics=("acc",), tokens_per_step=1.0))


# lm-evaluation-harness


def test_lm_eval_old_layout(tmp_path):
    """Older harnesses tell no samples: trials follow from the standard error; a value of 0 has none of its own."""
    n = 1838
    for step, right in ((128, 0), (1000, 961), (2000, 1100)):
        p = right / n
        se = float(np.sqrt(p * (1 - p) / (n - 1)))
        path = tmp_path / "zero-shot" / f"160m_step{step}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({
            "results": {"piqa": {"acc": p, "acc_stderr": se, "acc_norm": 0.51, "acc_norm_stderr": 0.0123}},
            "versions": {"piqa": 0},
            "config": {"model": "hf-causal", "num_fewshot": 0,
                       "model_args": f"use_accelerate=True,pretrained=EleutherAI/pythia-160m,revision=step{step}"},
        }))  # fmt: skip
    (tmp_path / "notes.json").write_text('{"results": "none"}')
    (tmp_path / "broken.json").write_text("{")
    assert guess(tmp_path) == "lm-eval"
    made = import_log(Request(path=tmp_path, metrics=("piqa/acc", "piqa/acc_norm"), tokens_per_step=PER_STEP))
    assert list(made.cube["run"].values) == ["EleutherAI/pythia-160m"]
    assert made.cube["piqa.acc"].attrs["trials"] == n and "trials" not in made.cube["piqa.acc_norm"].attrs
    assert any("piqa/acc_norm is no count" in note for note in made.notes)
    np.testing.assert_allclose(made.cube["piqa.acc"] * n, [[0, 961, 1100]])


@pytest.mark.golden
@pytest.mark.parametrize(
    "value,error,items",
    [
        (0.5228509249183896, 0.011653634832401175, 1838),  # piqa, of the published results of Pythia-160M at step 128
        (0.26430976430976433, 0.009048410451863012, 2376),  # arc_easy
        (0.48855564325177586, 0.014048804199859332, 1267),  # winogrande
        (0.6346153846153846, 0.0474473339327792, 104),  # wsc
    ],
)
def test_published_standard_errors_tell_the_items(value, error, items):
    told = whole_trials(np.array([value, 0.0]), np.full(2, np.nan), np.array([error, 0.0]))
    assert told == items


def test_lm_eval_trials_differ_by_checkpoint_and_kinds(tmp_path):
    """--limit at one checkpoint gives that one its own trials; lower-is-better is continuous, means have no trials."""
    harness(tmp_path / "results_2024-12-01T10-00-00.json", 0.2, "step1000-tokens2B", n=500)
    harness(tmp_path / "results_2024-12-02T10-00-00.json", 0.25, "step2000-tokens4B", n=100)
    names = tuple(f"lambada_openai/{m}" for m in ("acc", "perplexity", "f1"))
    cube = import_log(Request(path=tmp_path, metrics=names)).cube
    np.testing.assert_array_equal(cube["tokens"], [[2e9, 4e9]])
    np.testing.assert_array_equal(cube["step"], [[1000, 2000]])
    np.testing.assert_array_equal(cube["lambada_openai.acc.trials"], [[500, 100]])
    assert cube["lambada_openai.perplexity"].metric_kind == "continuous"
    assert cube["lambada_openai.f1"].metric_kind == "proportion" and "trials" not in cube["lambada_openai.f1"].attrs


def test_lm_eval_files_of_one_checkpoint(tmp_path):
    """Tasks of one checkpoint are joined, a repeated one is replaced by the later; other shots are refused."""
    harness(tmp_path / "results_1.json", 0.2, date=1.0)
    harness(tmp_path / "results_0.json", 0.4, date=2.0)
    harness(tmp_path / "results_2.json", 0.6, task="sciq", date=1.5)
    harness(tmp_path / "results_3.json", 0.8, revision="main")
    made = import_log(Request(path=tmp_path, metrics=("lambada_openai/acc", "sciq/acc,none"), tokens_per_step=1.0))
    assert made.cube["lambada_openai.acc"].values.tolist() == [[0.4]]
    assert made.cube["sciq.acc,none"].values.tolist() == [[0.6]]
    notes = " | ".join(made.notes)
    assert "stands in 2 files; the latest counts" in notes and "1 result file without a checkpoint's name" in notes
    harness(tmp_path / "results_4.json", 0.3, shots=5)
    with pytest.raises(UserError, match="with 0 and 5 shots"):
        import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0))
    harness(tmp_path / "results_4.json", 0.3, revision="stage2-step1000")
    with pytest.raises(UserError, match="'stage2-step1000' and 'step1000' stand at the same place"):
        import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0))


def test_lm_eval_groups_and_filters(tmp_path):
    """A group's trials are its tasks' together; a metric under several filters must name one."""
    result = {
        "exact_match,strict-match": 0.5,
        "exact_match_stderr,strict-match": "N/A",
        "exact_match,flexible-extract": 0.6,
    }
    mmlu = {"acc,none": 0.3, "acc_stderr,none": 0.01, "alias": "mmlu"}
    samples = {"n-samples": {"stem": {"original": 40, "effective": 40}, "law": 60, "gsm8k": {"effective": 10}}}
    harness(tmp_path / "results_1.json", 0.2, results={"gsm8k": result, " - mmlu": mmlu},
            group_subtasks={"mmlu": ["stem", "law"]}, **samples)  # fmt: skip
    with pytest.raises(UserError, match="several filters; name one: gsm8k/exact_match,flexible-extract, gsm8k/"):
        import_log(Request(path=tmp_path, metrics=("gsm8k/exact_match",), tokens_per_step=1.0))
    cube = import_log(
        Request(path=tmp_path, metrics=("gsm8k/exact_match,strict-match", "mmlu/acc"), tokens_per_step=1.0)
    ).cube
    assert cube["gsm8k.exact_match,strict-match"].values.tolist() == [[0.5]] and cube["mmlu.acc"].attrs["trials"] == 100
    with pytest.raises(UserError, match="no metric 'mmlu/f1'.*it has mmlu/acc"):
        import_log(Request(path=tmp_path, metrics=("mmlu/f1",), tokens_per_step=1.0))


def test_lm_eval_positions_that_cannot_be_told(tmp_path):
    harness(tmp_path / "results_1.json", 0.2, "main")
    with pytest.raises(UserError, match="neither the revision.*--checkpoint PATTERN"):
        import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0))
    harness(tmp_path / "results_1.json", 0.2, "tokens2B")
    with pytest.raises(UserError, match="--tokens-per-step needs steps"):
        import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0))
    harness(tmp_path / "results_1.json", 0.2)
    (tmp_path / "results_2.json").write_text('{"results": {')
    with pytest.raises(UserError, match="results_2.json is no whole JSON file"):
        import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0))


@pytest.mark.parametrize(
    "arguments,where,pattern,told",
    [
        ("pretrained=org/m,revision=step128", "org__m/results_2024-01-02T03.json", None, ("org/m", 128, None)),
        ("pretrained=org/m,revision=step5-tokens2B", "results.json", None, ("org/m", 5, 2e9)),
        ({"pretrained": "org/m", "revision": "iter_0001000"}, "results.json", None, ("org/m", 1000, None)),
        ("pretrained=/ck/wide/step400", "x/results_2024-01-02T03.json", None, ("wide", 400, None)),
        ("pretrained=/ck/wide/global_step400/hf", "results.json", None, ("wide", 400, None)),
        ("pretrained=out/checkpoint-1500", "results.json", None, ("out", 1500, None)),
        ("pretrained=/ck/epoch=0-step=99.ckpt", "results.json", None, ("ck", 99, None)),
        ("pretrained=m", "seed1/step70/m/results_2024-01-02T03.json", None, ("seed1/m", 70, None)),
        ("", "160m_step8.json", None, ("160m", 8, None)),
        ("", "step8/results.json", None, ("root", 8, None)),
        ("pretrained=m,revision=b12", "r.json", r"b(?P<step>\d+)", ("m", 12, None)),
        ("pretrained=m,revision=x", "s1-12B/r.json", r"(?P<run>s\d)-(?P<tokens>\d+B)", ("s1", None, 12e9)),
        ("pretrained=m,revision=main", "results_2024-01-02T03.json", None, None),
        ("pretrained=stepfun-13b,revision=step1000b", "results.json", None, None),
    ],
)
def test_checkpoint_names(arguments, where, pattern, told, tmp_path):
    compiled = re.compile(pattern) if pattern else None
    found = named({"config": {"model_args": arguments}}, Path(where), compiled, tmp_path / "root")
    assert (found and (found.run, found.step, found.tokens)) == told


# The command


def test_command_says_what_it_read(tmp_path):
    write_lm_eval(tmp_path)
    out = tmp_path / "lm.nc"
    done = phases("import", tmp_path / "out", "--metric", "lambada_openai/acc", "--tokens-per-step", "2_097_152",
                  "-o", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "read as lm-eval (guessed" in done.stdout and "2 runs, up to 18 checkpoints" in done.stdout
    assert "lambada_openai.acc" in done.stdout
    done = phases("import", tmp_path / "out", "--metric", "lambada_openai/acc", "--tokens-per-step", "2M", "-o", out,
                  "--from", "lm-eval", "--checkpoint", r"step(?P<step>\d+)", "--json", "-")  # fmt: skip
    told = json.loads(done.stdout)
    assert told["format"] == "lm-eval" and not told["guessed"] and told["runs"][0]["checkpoints"] == 18
    assert told["metrics"] == [{"metric": "lambada_openai.acc", "metric_kind": "proportion", "trials": 500.0}]
    assert float(cubes.read(out)["tokens"][0, 0]) == 2e6


def test_command_refuses_in_one_line(tmp_path):
    log = table(tmp_path, "t,a\n1,2\n")
    end = ("--tokens", "t", "--metric", "a", "-o", tmp_path / "o.nc")
    refused(phases("import", log, "--from", "parket", *end), "expected one of csv", "did you mean 'parquet'")
    refused(phases("import", log, "--tokens-per-step", "many", *end), "--tokens-per-step many", "2097152")
    refused(phases("import", log, "--checkpoint", "(", *end), "--checkpoint (", "regular expression")
    refused(phases("import", log, "--checkpoint", "x", *end), "group named step or tokens")
    refused(phases("import", log, "--continuous", "aa", *end), "--continuous aa", "did you mean 'a'")
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
    refused(phases("import", log, "--tokens", "tok", "--metric", "acc", "-o", out), "two rows")
    refused(phases("import", log, "--tokens", "run", "--metric", "acc", "-o", out), "expected a number")
    refused(phases("import", tmp_path / "no.csv", "--tokens", "tok", "--metric", "acc", "-o", out), "missing")


@pytest.mark.parametrize("package,name", [("pyarrow", "parquet"), ("tensorboard", "tensorboard")])
def test_without_the_optional_package(package, name, tmp_path):
    """One line says what is missing and how to install it; CSV does not need it."""
    asked = WRITERS[name](tmp_path)
    log = table(tmp_path, "t,a\n1,2\n")

    def without(*words):
        code = f"import sys; sys.modules[{package!r}] = None; from phases.cli import main; main()"
        return subprocess.run([sys.executable, "-c", code, "import", *map(str, words), "-o", str(tmp_path / "o.nc")],
                              capture_output=True, text=True, cwd=Path(__file__).parent.parent)  # fmt: skip

    refused(without(asked["path"], "--tokens", "step", "--metric", "acc"), f"needs the package {package},",
            'pip install "calque[formats]"')  # fmt: skip
    assert without(log, "--tokens", "t", "--metric", "a").returncode == 0

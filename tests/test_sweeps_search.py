"""A search: what a study file may say, what is drawn, which trials stop, what stays of it when it is resumed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from calque.data.errors import UserError
from calque.sweeps.api.run import run as run_study
from calque.sweeps.launch.tune import asha
from calque.sweeps.plan.hardware import Hardware
from calque.sweeps.plan.plan import plan
from calque.sweeps.plan.tables import notes
from calque.sweeps.results import rungs
from calque.sweeps.results.progress import read_progress, write_progress
from calque.sweeps.results.rungs import scores
from calque.sweeps.running import claimed_root, dry_run
from calque.sweeps.study.search import Search
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.rung import next_rung, record_pruned

STUDY = """\
study: tried
search:
  metric: copying
  trials: 4
  first: 20k
  reduction: 2
  over:
    training.learning_rate: {low: 5e-4, high: 1e-2}
    size: [nano, tiny]
runs:
  small:
    training: {tokens: 81920, warmup_tokens: 8192}
    checkpoints: {log_spaced: 4, first: 10000}
    world: {train_tokens: 100000, nouns: 6, verbs: 3, adjectives: 3}
"""
END = 81920


def written(folder: Path, text: str = STUDY) -> Path:
    path = folder / "tried.yaml"
    path.write_text(text)
    return path


def test_trials_are_drawn_alike_each_time_and_compared_at_checkpoints_of_their_own(tmp_path):
    study, again = read_study(written(tmp_path)), read_study(written(tmp_path))
    assert study.study_id == again.study_id and study.drawn == again.drawn
    assert [run.name for run in study.runs] == ["small-t0", "small-t1", "small-t2", "small-t3"]
    rates = [run.training.learning_rate for run in study.runs]
    assert len(set(rates)) == 4 and all(5e-4 <= rate <= 1e-2 for rate in rates)
    assert {run.size for run in study.runs} <= {"nano", "tiny"}
    for run in study.runs:
        assert study.drawn[run.name] == {"training.learning_rate": run.training.learning_rate, "size": run.size}
        grain = run.training.tokens_per_step
        positions = [step * grain for step in run.checkpoint_steps()]
        for rung in (20_000, 40_000, 80_000):
            assert min(position for position in positions if position >= rung) < rung + grain
    other = read_study(written(tmp_path, STUDY.replace("reduction: 2", "reduction: 2\n  seed: 1")))
    assert [run.training.learning_rate for run in other.runs] != rates


def test_logarithms_are_drawn_evenly_and_no_trial_twice():
    drawn = Search(first=1, trials=400, over={"training.learning_rate": {"low": 1e-4, "high": 1e-2}}).draws()
    below = np.mean([one["training.learning_rate"] < 1e-3 for one in drawn])
    assert 0.43 < below < 0.57
    few = Search(first=1, trials=4, over={"size": ["nano", "tiny"], "init_seed": [0, 1]}).draws()
    assert len({json.dumps(one) for one in few}) == 4
    with pytest.raises(UserError, match="there are 2 combinations"):
        Search(first=1, trials=3, over={"size": ["nano", "tiny"]}).draws()


@pytest.mark.parametrize(
    ("old", "new", "said", "line"),
    [
        ("first: 20k", "first: 1M", "first is 1000000, and a trial trains on 81920", 5),
        ("first: 20k", "first: soon", "'soon' is no count", 5),
        ("  first: 20k\n", "", "search has no 'first'", 2),
        ("metric: copying", "metric: copyng", "did you mean 'copying'", 3),
        ("metric: copying", "metric: loss", "metric is 'loss'", 3),
        ("trials: 4", "trials: 1", "trials is 1", 4),
        ("reduction: 2", "reductoin: 2", "did you mean 'reduction'", 6),
        ("{low: 5e-4, high: 1e-2}", "{low: 1, high: 1}", "0 < low < high", 8),
        ("{low: 5e-4, high: 1e-2}", "[]", "expected a list of values", 8),
        ("training.learning_rate:", "training.learning_rat:", "did you mean", 7),
        ("size: [nano, tiny]", "size: [nano, huge]", "drawn for a trial", 7),
        ("runs:\n", "runs:\n  other: {}\n", "draws from one run, and there are 2", 10),
        ("training: {tokens", "seeds: [0, 1]\n    training: {tokens", "expected one seed", 11),
        ("training: {tokens", "training: {devices: 2, tokens", "expected devices: 1", 11),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path, old, new, said, line):
    with pytest.raises(UserError, match=said) as raised:
        read_study(written(tmp_path, STUDY.replace(old, new, 1)))
    message = str(raised.value)
    assert message.startswith(f"{tmp_path}/tried.yaml:{line}: ") and len(message.removeprefix(str(tmp_path))) <= 300


def test_a_plan_says_what_the_search_saves(tmp_path):
    study = read_study(written(tmp_path))
    made = plan(study, Hardware())
    assert made["search"]["rungs"] == [20_000, 40_000, 80_000, END]
    assert made["search"]["expected_tokens"] == 4 * 20_000 + 2 * 20_000 + 1 * 40_000 + (END - 80_000)
    assert any("a search: 4 trials are compared by copying" in line for line in notes(made))
    shown = dry_run(study, str(tmp_path / "results"), "1x4cpu", None)
    assert "trials are compared by copying at 20k, 40k, 80k" in shown.summary() and not (tmp_path / "results").exists()
    plain = STUDY[: STUDY.index("search:")] + STUDY[STUDY.index("runs:") :]
    assert "search" not in plan(read_study(written(tmp_path, plain)), Hardware())


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Trials whose training is a table: the metric at each checkpoint, by run; what was trained is noted."""
    study = read_study(written(tmp_path))
    table = {run.name: {20_000: 0.1 * k, 40_000: 0.2 * k, 80_000: 0.3 * k} for k, run in enumerate(study.runs)}
    for values in table.values():
        values[END] = values[80_000]
    reached: dict[str, int] = dict.fromkeys(table, 0)
    done: list[tuple[str, int | None]] = []

    def curve(folder, metric):
        known = [(t, v) for t, v in table[folder.name].items() if t <= reached[folder.name]]
        return [t for t, _ in known], [v for _, v in known]

    def rung(name, passed):
        run = study.run(name)

        def train(until):
            done.append((name, until))
            reached[name] = until or END
            standing = read_progress(tmp_path, run)
            state = "waiting" if until else "done"
            write_progress(tmp_path, run, replace(standing, state=state, tokens=reached[name]))

        return next_rung(train, run, tmp_path, study.search, passed)

    monkeypatch.setattr(rungs, "curve", curve)
    return study, rung, done


def test_a_trial_trains_from_rung_to_rung_and_tells_old_ones_without_training(trained):
    study, rung, done = trained
    told = [rung("small-t3", passed) for passed in range(4)]
    assert [one["rung"] for one in told] == [1, 2, 4, 8] and [one["done"] for one in told] == [
        False,
        False,
        False,
        True,
    ]
    assert [one["score"] for one in told] == pytest.approx([0.3, 0.6, 0.9, 0.9])
    assert done == [("small-t3", 20_000), ("small-t3", 40_000), ("small-t3", 80_000), ("small-t3", None)]
    again = [rung("small-t3", passed) for passed in range(4)]
    assert again == told and len(done) == 4


def test_a_trial_that_the_search_stopped_is_told_and_never_trained_again(trained, tmp_path):
    study, rung, done = trained
    rung("small-t1", 0)
    run = study.run("small-t1")
    record_pruned(tmp_path, run, study.search)
    standing = read_progress(tmp_path, run)
    assert standing.state == "pruned" and "stopped by the search at 20000 tokens" in standing.message
    assert rung("small-t1", 0) == {
        "rung": 1,
        "score": pytest.approx(0.1),
        "done": True,
    }
    assert len(done) == 1
    record_pruned(tmp_path, study.run("small-t0"), study.search)
    assert read_progress(tmp_path, study.run("small-t0")).state == "waiting", "it has not begun"
    rung("small-t2", 0)
    ranked = scores(study, tmp_path)
    assert [one.run for one in ranked] == ["small-t2", "small-t1", "small-t0", "small-t3"]
    assert ranked[0].rungs == 1 and ranked[0].score == pytest.approx(0.2) and ranked[2].score is None


def test_asha_stops_the_worse_half(trained):
    study, rung, _ = trained
    halving = asha(study.search, END)

    class Trial:
        def __init__(self, name):
            self.trial_id, self.config, self.status = name, {"run": name}, "RUNNING"

    trials = {name: Trial(name) for name in study.drawn}
    for trial in trials.values():
        halving.on_trial_add(None, trial)
    kept = []
    for name in ("small-t3", "small-t0", "small-t2", "small-t1"):
        told = rung(name, 0) | {"training_iteration": 1}
        kept += [name] if halving.on_trial_result(None, trials[name], told) == "CONTINUE" else []
    assert kept == ["small-t3", "small-t2"] or kept == ["small-t3"]
    assert "small-t0" not in kept and "small-t1" not in kept


def test_a_metric_that_no_cube_has_is_refused(tmp_path):
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    assert rungs.curve(folder, "copying") == ([], [])
    one = xr.Dataset({"tokens": (("run", "checkpoint"), [[1.0, 2.0]]), "loss": (("run", "checkpoint"), [[3.0, 2.0]])})
    one = one.assign_coords(run=["a"])
    (folder / "run.nc").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rungs.cube, "read", lambda path: one)
        with pytest.raises(UserError, match="has no 'copying', which the search raises"):
            rungs.curve(folder, "copying")


def test_results_at_an_address_are_refused(tmp_path):
    with pytest.raises(UserError, match="name a folder with `results`"):
        claimed_root(read_study(written(tmp_path)), "memory://bucket/tried")


@pytest.mark.ray
def test_a_search_runs_stops_trials_and_repeats_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = STUDY.replace("trials: 4", "trials: 3").replace("first: 20k", "first: 8k").replace("81920", "20480")
    path = written(tmp_path, text.replace("first: 10000", "first: 4000").replace("log_spaced: 4", "log_spaced: 2"))
    found = run_study(path, results="results", cpus=2)
    assert found.unfinished == () and {one.state for one in found.trials} <= {"done", "pruned"}
    assert found.trials[0].state == "done" and found.trials[0].tokens == 20480
    assert found.cube.sizes["run"] == 3 and len(found.to_dict()["search"]) == 3
    changed = {path: path.stat().st_mtime_ns for path in tmp_path.glob("results/runs/*/run.nc")}
    assert run_study(path, results="results").trials == found.trials
    assert {path: path.stat().st_mtime_ns for path in changed} == changed

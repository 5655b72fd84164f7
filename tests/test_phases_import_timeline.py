"""What a run and a position are: restarts, counters that begin again, a file a run, stages, published layouts."""

import json

import numpy as np
import pytest

from calque.data.errors import UserError
from calque.phases.formats.base import Request
from calque.phases.formats.files import by_run, files_below
from calque.phases.formats.importing import import_log
from tests.phases_logs import events, scalar, table


def log(tmp_path, rows, name="log.csv", head="t,a"):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return table(path.parent, head + "\n" + "".join(f"{t},{v}\n" for t, v in rows), path.name)


def csv(path, **more):
    return import_log(Request(path=path, metrics=("a",), tokens="t", **more))


def line(made, run=0):
    one = made.cube.isel(run=run)
    n = int(one["tokens"].notnull().sum())
    return list(zip(one["tokens"].values[:n].tolist(), one["a"].values[:n].tolist(), strict=True))


RISING = [(1, 0.1), (2, 0.2), (3, 0.3)]


@pytest.mark.parametrize(
    "rows",
    [
        [(1, 0.1), (2, 0.2), (1.5, 0.9)],
        [(1, 0.1), (2, 0.2), (3, 0.3), (0.5, 0.2), (1.5, 0.4)],
        [(5, 1), (1, 0), (9, 1)],
    ],
)
def test_positions_that_fall_are_refused_unless_the_caller_says_why(rows, tmp_path):
    path = log(tmp_path, rows)
    with pytest.raises(UserError, match="'t' of run 'log' falls from .*name the runs with `run`.*`join`.*`unsorted`"):
        csv(path)
    assert [t for t, _ in line(csv(path, unsorted=True))] == sorted(t for t, _ in rows)
    first = next(i for i in range(1, len(rows)) if rows[i][0] < rows[i - 1][0])
    kept = [r for r in rows[:first] if r[0] < rows[first][0]] + rows[first:]
    made = csv(path, join=True)
    assert line(made) == kept and any("went over again replaced" in note for note in made.notes)


@pytest.mark.parametrize("positions", [[9, 5, 3, 1], [1000, 10000, 11000, 2000, 3000], [100, 1000, 20, 200]])
def test_tables_from_last_to_first_or_sorted_as_text_are_sorted_with_a_note(positions, tmp_path):
    made = csv(log(tmp_path, [(t, t / 20000) for t in positions]))
    assert line(made) == [(t, t / 20000) for t in sorted(positions)]
    assert any("latest first" in note or "sorted as text" in note for note in made.notes)


def test_a_file_is_a_run_and_parts_are_parts(tmp_path):
    for name in ("a.csv", "deep/b.csv", "c/metrics.csv", "d/0001.csv", "d/0002.csv", "e/train-00000-of-00002.csv"):
        log(tmp_path, [(t + 3 * ("0002" in name), v) for t, v in RISING], name)
    assert sorted(csv(tmp_path).cube["run"].values) == ["a", "c", "d", "deep/b", "e"]
    assert len(line(csv(tmp_path / "d"))) == 6
    log(tmp_path, [(2.5, 0.3)], "d/0003.csv")
    with pytest.raises(UserError, match="run 'd' falls from 6 to 2.5"):
        csv(tmp_path / "d")
    log(tmp_path, RISING, "x/run1/metrics.csv")
    log(tmp_path, RISING, "x/run2/metrics.csv")
    assert list(csv(tmp_path / "x").cube["run"].values) == ["run1", "run2"]


def test_versions_of_lightning_are_runs_until_they_are_joined(tmp_path):
    log(tmp_path, [(t, t / 20) for t in range(1, 9)], "lightning_logs/version_0/metrics.csv")
    log(tmp_path, [(t, t / 10) for t in range(5, 10)], "lightning_logs/version_1/metrics.csv")
    log(tmp_path, [(t, t / 11) for t in range(9, 11)], "lightning_logs/version_10/metrics.csv")
    made = csv(tmp_path / "lightning_logs")
    assert list(made.cube["run"].values) == ["version_0", "version_1", "version_10"]
    assert any("give `join` if one training was resumed" in note for note in made.notes)
    joined = csv(tmp_path / "lightning_logs", join=True)
    parts = [(t, t / 20) for t in range(1, 5)], [(t, t / 10) for t in range(5, 9)], [(t, t / 11) for t in (9, 10)]
    assert line(joined) == [row for part in parts for row in part]
    assert "version_0, version_1, version_10 joined as run 'run'" in joined.notes
    tb = tmp_path / "tb"
    for i, steps in enumerate(([1, 2, 3, 4], [3, 4, 5])):
        events(tb / f"version_{i}", [scalar("a", (s + 10 * i) / 20, s) for s in steps])
    made = import_log(Request(path=tb, metrics=("a",), tokens_per_step=1.0, join=True))
    np.testing.assert_allclose([v for _, v in line(made)], [0.05, 0.1, 0.65, 0.7, 0.75], atol=1e-7)


def test_a_restart_voids_tags_that_it_has_not_yet_written(tmp_path):
    """A tag that every start writes at step 0 does not void the rest; one not written again ends at the restart."""
    first = [scalar("hp_metric", -1.0, 0), *(scalar("loss", 1.0, s) for s in range(1, 10))]
    first += [scalar("a", s / 10, s) for s in (3, 6, 9)]
    events(tmp_path, [e for e in first], ".1")
    events(tmp_path, [scalar("hp_metric", -1.0, 0), *(scalar("loss", 2.0, s) for s in range(5, 8))], ".2")
    for file, wall in zip(sorted(tmp_path.iterdir(), key=lambda p: p.name[-1]), (1.0, 2.0), strict=True):
        begin_at(file, wall)
    made = import_log(Request(path=tmp_path, metrics=("a",), tokens_per_step=1.0))
    np.testing.assert_allclose(line(made), [(3, 0.3)], atol=1e-7)


def begin_at(file, wall):
    from tests.test_phases_import_tensorboard import _begin_at

    _begin_at(file, wall)


@pytest.mark.parametrize("counter", [[10, 20, 30, 10, 20], [10, 20, 15, 40, 50], [5, 4, 3, 2, 1]])
def test_a_counter_that_begins_again_is_refused(counter, tmp_path):
    rows = [{"_step": i, "t": t, "a": 0.1 * i} for i, t in enumerate(counter)]
    path = table(tmp_path, "\n".join(map(json.dumps, rows)), "h.jsonl")
    with pytest.raises(UserError, match="'t' of run 'h' falls from .* while the step rises from .*counter began again"):
        csv(path)
    assert len(line(import_log(Request(path=path, metrics=("a",), tokens_per_step=2.0)))) == 5


def test_many_runs_of_one_checkpoint_are_noted(tmp_path):
    for i in range(4):
        log(tmp_path, [(i + 1, 0.1 * i)], f"2024-05-0{i + 1}-eval.csv")
    assert any(n.startswith("4 of 4 runs have one checkpoint") for n in csv(tmp_path).notes)
    assert not any("one checkpoint" in n for n in csv(log(tmp_path, RISING, "x/y.csv")).notes)


def test_links_are_followed_once(tmp_path):
    log(tmp_path, RISING, "elsewhere/deep/a.csv")
    log(tmp_path, RISING, "runs/b.csv")
    (tmp_path / "runs" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "runs" / "again").symlink_to(tmp_path / "elsewhere" / "deep")
    (tmp_path / "runs" / "latest").symlink_to(tmp_path / "runs")
    (tmp_path / "runs" / "c.csv").symlink_to(tmp_path / "runs" / "b.csv")
    (tmp_path / "runs" / "gone.csv").symlink_to(tmp_path / "none.csv")
    (tmp_path / "runs" / "zero.csv").symlink_to("/dev/zero")
    made = csv(tmp_path / "runs")
    assert len(made.cube["run"]) == 2 and sum("the link" in n for n in made.notes) == 4
    assert any("gone.csv is left out: what it points to is no file or folder" in n for n in made.notes)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "x").symlink_to(tmp_path / "elsewhere")
    assert list(csv(tmp_path / "only").cube["run"].values) == ["x/deep/a"]


@pytest.mark.parametrize(
    "names,runs",
    [
        (["a.csv", "b.csv"], ["a", "b"]),
        (["s1/metrics.csv", "s2/metrics.csv"], ["s1", "s2"]),
        (["2.csv", "10.csv", "1.csv"], ["top"]),
        (["part-00000-abc.csv", "part-00001-abc.csv"], ["top"]),
        (["seed_0.csv", "seed_1.csv"], ["seed_0", "seed_1"]),
        (["x/eval.csv", "y/eval.csv"], ["x", "y"]),
        (["x/eval.csv", "x/test.csv"], ["x/eval", "x/test"]),
    ],
)
def test_names_of_runs(names, runs, tmp_path):
    for name in names:
        path = tmp_path / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = by_run(tmp_path / "top", files_below(tmp_path / "top"), (".csv",))
    assert list(found) == runs
    assert [p.name for p in files_below(tmp_path / "top")][-1] == sorted(names, key=len)[-1].split("/")[-1]


def test_rows_without_the_metric_go_first(tmp_path):
    path = table(tmp_path, "epoch,step,loss,a,b\n0,9,2,,\n0,9,,0.1,\n0,9,,,7\n0,19,2,,\n0,19,,0.2,\n")
    asked = {"path": path, "metrics": ("a", "b"), "tokens": "step", "tokens_per_step": 2.0}
    made = import_log(Request(**asked))
    np.testing.assert_array_equal(made.cube["tokens"], [[18, 38]])
    np.testing.assert_array_equal(made.cube["a"], [[0.1, 0.2]])
    np.testing.assert_array_equal(made.cube["b"], [[7, np.nan]])
    assert "2 rows without a, b left out" in made.notes


def test_trials_belong_to_the_metric_of_their_row(tmp_path):
    path = table(tmp_path, "t,n,a,b\n1,10,0.5,\n1,20,,0.25\n2,10,0.6,\n2,20,,0.75\n")
    cube = import_log(Request(path=path, metrics=("a", "b"), tokens="t", trials="n")).cube
    assert (cube[cube["a"].trials] == 10).all() and (cube[cube["b"].trials] == 20).all()

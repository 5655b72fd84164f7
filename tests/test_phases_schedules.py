"""Schedules: where they come from, other axes than tokens, and findings that begin at a change."""

import json

import numpy as np
import pytest
import xarray as xr

import calque
from calque.data.errors import UserError
from calque.phases.results import Outcome
from calque.phases.schedules.positions import Positions, positions_of
from calque.phases.schedules.reading import read_schedule, schedules_of, unreached
from calque.phases.schedules.schedule import DECAY, WARM, Schedule, changes_of

TOKENS = np.arange(1, 61) * 1e9


def cube(score, tokens=TOKENS, trials=2000, seed=0, sd=0.0, **variables):
    rng = np.random.default_rng(seed)
    k = rng.binomial(trials, np.clip(score + sd * rng.standard_normal(len(score)), 0.001, 0.999))
    dims = ("run", "checkpoint")
    kind = {"metric_kind": "count", "trials": trials}
    made = xr.Dataset({"tokens": (dims, tokens[None]), "score": (dims, k[None], kind)}, coords={"run": ["r"]})
    for name, values in variables.items():
        made[name] = (dims[: np.ndim(values) + (np.ndim(values) == 1)] if np.ndim(values) else "run",
                      np.asarray(values)[None] if np.ndim(values) else [values])  # fmt: skip
    return made.assign_attrs(calque_schema=1)


def config(tokens=60_000_000_000, warm=2_000_000_000, share=0.2, context=1024, batch=1000):
    training = {"tokens": tokens, "warmup_tokens": warm, "decay_fraction": share, "learning_rate": 3e-3,
                "context": context, "batch_size": batch}  # fmt: skip
    return json.dumps({"training": training})


# ---------------------------------------------------------------- where it comes from


def test_changes_in_words_and_in_a_table(tmp_path):
    said = read_schedule("decay@30B, batch@18B,new data@1.5B")
    assert [(c.tokens, c.what) for c in said.changes] == [
        (1.5e9, "new data"), (18e9, "the batch changes"), (30e9, DECAY)
    ]  # fmt: skip
    path = tmp_path / "lr.csv"
    path.write_text("tokens,learning_rate,batch_tokens\n0,0,1e6\n2e9,1,1e6\n20e9,1,5e5\n48e9,1,5e5\n60e9,0,5e5\n")
    table = read_schedule(str(path))
    assert [(c.tokens, c.what) for c in table.changes] == [
        (2e9, WARM), (20e9, "the batch changes from 1e+06 to 5e+05 tokens"), (48e9, DECAY)
    ]  # fmt: skip
    steps = table.steps(np.array([0.0, 10e9, 20e9, 60e9]))
    assert steps.tolist() == [0, 1e4, 2e4, 1e5], "each step has half the tokens from 20B on"


def test_a_cosine_has_no_beginning_of_its_decay():
    tokens = np.linspace(0, 1, 101)
    rate = np.minimum(tokens / 0.02, 0.5 * (1 + np.cos(np.pi * tokens)))
    assert [c.what for c in changes_of(tokens, rate, None)] == [WARM]
    stairs = np.repeat([1.0, 0.3, 0.1], [40, 30, 31])
    assert [(round(c.tokens, 2), c.what) for c in changes_of(tokens, stairs, None)] == [
        (0.39, DECAY), (0.7, "the learning rate drops")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("decay", "which is no file"), ("decay@soon", "no count"), ("@30B", "what changes and where"),
        ("x" * 500, "which is no file"), ("a.csv", "have"), ("b.csv", "must increase"), ("c.csv", "line 3"),
        ("d.csv", "ranges from"),
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_one_line(given, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("step,lr\n1,2\n")
    (tmp_path / "b.csv").write_text("tokens,learning_rate\n2,1\n1,1\n")
    (tmp_path / "c.csv").write_text("tokens,learning_rate\n1,1\n2,nan\n")
    (tmp_path / "d.csv").write_text("tokens,learning_rate\n1,-1\n2,0\n")
    said = "has the columns step, lr" if said == "have" else said
    with pytest.raises(UserError, match=said) as caught:
        read_schedule(given)
    assert len(str(caught.value)) <= 300 and "\n" not in str(caught.value)


def test_a_cube_of_ours_knows_its_schedule():
    found = schedules_of(cube(np.full(60, 0.2), config_json=config()), None)["r"]
    assert [(c.tokens, c.what) for c in found.changes] == [(2e9, WARM), (48e9, DECAY)]
    assert found.steps(np.array([60e9]))[0] == pytest.approx(60e9 / 1_024_000)
    for other in ("", "{}", "[]", '{"training": {"tokens": null}}', config(share=-1), config(batch=0)):
        assert schedules_of(cube(np.full(60, 0.2), config_json=other), None) == {}
    no_decay = schedules_of(cube(np.full(60, 0.2), config_json=config(warm=0, share=0)), None)["r"]
    assert no_decay.changes == () and (no_decay.learning_rate == 3e-3).all()


# ---------------------------------------------------------------- other axes


def test_cumulative_learning_rate_is_the_area_under_the_schedule():
    made = cube(np.full(60, 0.2), config_json=config())
    found = positions_of(made, "cumulative_lr", schedules_of(made, None))["r"].places * 1_024_000
    at = lambda t: found[int(t) - 1]  # noqa: E731
    assert at(2) == pytest.approx(1e9) and at(48) == pytest.approx(47e9) and at(60) == pytest.approx(53e9)
    assert at(54) == pytest.approx(47e9 + 4.5e9), "half way down, three quarters of the rate"


def test_places_go_to_an_axis_and_back():
    there = Positions(TOKENS, np.cumsum(np.linspace(1, 3, 60)))
    at = np.array([0.0, 0.3e9, 7.7e9, 60e9, 70e9])
    assert np.allclose(there.back(there.place(at)), at)


HALF = 30e9
STEPS = (TOKENS + 3 * np.maximum(0, TOKENS - HALF)) / 1e6


@pytest.fixture(scope="module")
def smaller():
    """Growth in proportion to steps whose batch is a quarter from half way on: convex in tokens."""
    made = cube(0.05 + 0.8 * STEPS / STEPS[-1], step=STEPS)
    return {axis: calque.detect(made, metric="score", boot=99, axis=axis, schedule="batch@30B")
            for axis in ("tokens", "steps")}  # fmt: skip


def test_a_smaller_batch_is_late_in_tokens_and_marked_and_not_late_in_steps(smaller):
    delay, takeoff = (smaller["tokens"].report.of("r", "score", name) for name in ("delay", "takeoff"))
    assert delay.outcome == Outcome.FOUND and "not shown by the checkpoints before the batch changes (30B tokens)" in (
        delay.at_change or ""
    )
    assert delay.reason.endswith(delay.at_change) and takeoff.at_change is None
    assert smaller["steps"].report.of("r", "score", "delay").outcome != Outcome.FOUND


def test_nothing_is_called_tokens_on_another_axis(smaller):
    found = smaller["steps"]
    takeoff = found.report.of("r", "score", "takeoff")
    assert takeoff.axis == "steps" and takeoff.position_low < takeoff.position < takeoff.position_high
    assert np.interp(takeoff.position, STEPS, TOKENS) == pytest.approx(takeoff.tokens), "its place in tokens beside it"
    for row in found.transitions:
        assert "token" not in row.reason, row.reason
        if row.estimand == "width":
            assert row.tokens is None and row.position is not None
    text = found.summary()
    assert "steps (" in text and "first step on" in text and found.to_dict()["settings"]["axis"] == "steps"
    curve = found.report.curves[0]
    assert np.allclose(curve.tokens, TOKENS) and curve.fitted_tokens.max() <= TOKENS[-1] * (1 + 1e-9)


def test_marks_stand_in_all_faces(smaller, tmp_path):
    found = smaller["tokens"]
    assert "at a change of the schedule" in found.summary() and "delayed start not shown by the" in found.summary()
    row = next(t for t in found.to_dict()["transitions"] if t["estimand"] == "delay")
    assert row["at_change"] in row["reason"]
    found.to_html(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "found, at a change of the schedule" in page and "1 of them at a change of the schedule" in page
    assert found.to_dataframe()["at_change"].notna().any()


def test_a_takeoff_where_the_rate_begins_to_decay_is_marked():
    score = np.where(TOKENS < 40e9, 0.1, 0.1 + 0.4 * np.clip((TOKENS - 40e9) / 10e9, 0, 1))
    found = calque.detect(cube(score), metric="score", boot=99, schedule="decay@40B").report
    assert "begins where the learning rate begins to decay (40B tokens)" in found.of("r", "score", "takeoff").reason
    assert found.of("r", "score", "delay").at_change == found.of("r", "score", "takeoff").at_change
    early = calque.detect(cube(score), metric="score", boot=99, schedule="decay@55B").report
    assert early.of("r", "score", "takeoff").at_change is None
    assert early.of("r", "score", "delay").at_change is None, "the checkpoints before it show the delayed start"


def test_a_change_after_the_last_checkpoint_is_told(tmp_path):
    made = cube(np.full(60, 0.2))
    found = calque.detect(made, metric="score", boot=19, schedule="decay@80B,batch@60B,data@60.5B").report
    assert [note for note in found.notes if "schedule" in note] == [
        "`schedule`: data at 60.5B tokens, after the last checkpoint of every run, at 60B: nothing is marked there",
        "`schedule`: the learning rate begins to decay at 80B tokens, after the last checkpoint of every run, at 60B: "
        "nothing is marked there",
    ]
    short = made.assign_coords(run=["short"]).isel(checkpoint=slice(30))
    (note,) = unreached(calque.concat([made, short]), read_schedule("decay@40B"))
    assert "40B tokens, after the last checkpoint of 1 run (short), at 30B" in note
    path = tmp_path / "lr.csv"
    path.write_text("tokens,learning_rate\n0,3e-3\n50e9,3e-3\n51e9,1e-3\n90e9,1e-3\n91e9,3e-4\n")
    (note,) = unreached(made, read_schedule(str(path)))
    assert "the learning rate drops at 91B tokens" in note
    assert not list(unreached(made, schedules_of(made, "decay@60B")["r"]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"axis": "steps"}, "steps of run 'r' are not known"), ({"axis": "flops"}, "expected tokens or steps"),
        ({"axis": "cumulative_lr", "schedule": "decay@30B"}, "not known"), ({"schedule": 3}, "`schedule`"),
        ({"axis": "steps", "family": "kink"}, "goes with the dictionary alone"),
    ],
)  # fmt: skip
def test_what_an_axis_needs_is_said(words, said):
    with pytest.raises(UserError, match=said) as caught:
        calque.detect(cube(np.full(60, 0.2)), metric="score", boot=19, **words)
    assert len(str(caught.value)) <= 300


def test_steps_that_stand_still_are_refused():
    steps = STEPS.copy()
    steps[10] = steps[9]
    with pytest.raises(UserError, match="does not increase in run 'r'"):
        positions_of(cube(np.full(60, 0.2), step=steps), "steps", {"r": Schedule()})

"""A single wild checkpoint: found, kept, and said to carry an answer where it does."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit, logit

import calque
import calque.phases.detection.influence
from calque.data.quantities import format_count
from calque.phases.detection.analyse import analyse
from calque.phases.detection.group import judge_group
from calque.phases.detection.influence import largest_outlier, predicted, without
from calque.phases.dictionary.grid import Dictionary
from calque.phases.results import Outcome
from calque.phases.series.axis import Axis
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from tests import phases_simulation as sim

N, TRIALS = 45, 400
TOKENS = np.arange(1, N + 1) * sim.END / N
SETTINGS = Settings(boot=99)


def series(curve, seed=1, wild=None, sd=0.1):
    rng = np.random.default_rng(seed)
    y = sim.counts(rng, curve(TOKENS), TRIALS, rho=0.3, sd=sd)
    for i, share in (wild or {}).items():
        y[i] = round(share * TRIALS)
    return Trajectory.of_counts("r", "score", TOKENS, y, TRIALS)


def flat(tokens):
    return np.full(len(tokens), 0.1)


ONSET = sim.onset(0.3 * sim.END, 0.2)


def noise_of(t):
    return Dictionary(Axis.of(t.tokens)).fit(t).noise


def test_a_wild_checkpoint_is_found_wherever_it_stands():
    for i in (0, 20, N - 1):
        t = series(flat, wild={i: 0.9})
        assert largest_outlier(t, noise_of(t)) == i


@pytest.mark.parametrize("curve", [flat, ONSET, lambda x: np.where(x < 0.5 * sim.END, 0.05, 0.9)])
def test_growth_and_steps_are_not_wild(curve):
    found = [largest_outlier(t, noise_of(t)) for t in (series(curve, seed, sd=0.3) for seed in range(6))]
    assert found.count(None) >= 5


def test_without_leaves_distances_of_the_others_alone():
    t = series(ONSET)
    less = without(t, 10)
    assert less.n == N - 1 and TOKENS[10] not in less.tokens and less.index.tolist() == [*range(10), *range(11, N)]
    assert less.key == t.key and np.array_equal(less.trials, np.full(N - 1, TRIALS))


def test_a_rise_that_is_one_checkpoint_says_so():
    rows = {r.estimand: r for r in judge_group([series(flat, wild={N - 1: 0.9})], SETTINGS).transitions}
    assert rows["takeoff"].outcome != Outcome.NONE
    assert f"hangs on the one checkpoint at {format_count(sim.END)} tokens: without it none" in rows["takeoff"].reason
    assert rows["takeoff"].without_checkpoint == sim.END and rows["takeoff"].without_outcome == Outcome.NONE
    assert rows["takeoff"].without_tokens is None and rows["delay"].without_p_value > 0.05


def test_an_answer_that_stands_without_it_says_nothing(monkeypatch):
    asked = []
    original = calque.phases.detection.influence.without
    monkeypatch.setattr(calque.phases.detection.influence, "without", lambda t, i: asked.append(i) or original(t, i))
    found = judge_group([series(ONSET, wild={40: 0.02})], SETTINGS)
    assert asked == [40], "it was looked at"
    assert not any("hangs" in r.reason for r in found.transitions)


def test_a_rise_that_one_wild_score_hides_says_so_in_any_unit():
    rng = np.random.default_rng(3)
    y = -4.0 + ONSET(TOKENS) + 0.05 * rng.standard_normal(N)
    y[30] = -40.0
    said = []
    for unit in (1.0, 1e6):
        t = Trajectory.of_values("r", "logprob", TOKENS, unit * y, falls=False)
        rows = judge_group([t], SETTINGS).transitions
        said.append([r.outcome for r in rows] + [r.reason.partition("; hangs")[2] for r in rows])
    assert said[0] == said[1] and any("without it found" in reason for reason in said[0])


def test_the_answer_without_the_checkpoint_stands_beside_it_in_every_face(tmp_path):
    wild = series(flat, wild={N - 1: 0.9})
    cube = xr.Dataset(
        {"tokens": (("run", "checkpoint"), TOKENS[None]),
         "score": (("run", "checkpoint"), np.round(wild.y * TRIALS)[None], {"metric_kind": "count", "trials": TRIALS})},
        coords={"run": ["r"]},
    )  # fmt: skip
    found = calque.detect(cube, boot=99)
    text = found.summary(300)
    place = format_count(sim.END)
    (row,) = [line for line in text.splitlines() if f"  without {place}" in line]
    assert [cell.strip() for cell in row.split("│")][3] == "none"
    assert f"score of run r hangs on the one checkpoint at {place} tokens" in " ".join(text.split())
    (takeoff,) = [t for t in found.to_dict()["transitions"] if t["estimand"] == "takeoff"]
    assert takeoff["without_checkpoint"] == sim.END and takeoff["without_outcome"] == "none"
    found.to_html(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert f"… without {place}" in page and f"hangs on the one checkpoint at {place} tokens" in page


SMOOTH = (lambda x: 2 + 3 * x**-0.3, np.log, np.sqrt, lambda x: 1 - np.exp(-5 * x / 40), np.square)


@pytest.mark.parametrize("curve", SMOOTH, ids=["power", "log", "root", "exponential", "square"])
@pytest.mark.parametrize("spaced", ["even", "log"])
def test_the_steep_end_of_a_smooth_curve_is_no_outlier(curve, spaced):
    x = np.linspace(1, 40, 40) if spaced == "even" else np.geomspace(1, 200, 40)
    for noise in (0.0, 0.01 * np.random.default_rng(0).standard_normal(40)):
        t = Trajectory.of_values("r", "score", 1e8 * x, curve(x) + noise, falls=False)
        assert all(row.without_checkpoint is None for row in judge_group([t], Settings(boot=19)).transitions)


STEEP = {
    "exponential": lambda s: 0.05 + 0.5 * -np.expm1(-s / 0.008),
    "log": lambda s: 0.05 + 0.08 * np.log1p(s / 0.005),
}


@pytest.mark.parametrize("curve", STEEP.values(), ids=STEEP)
def test_the_floor_of_precise_growth_is_no_outlier(curve, monkeypatch):
    """Without its first checkpoint a steep and precise score has another floor, and so another takeoff."""
    share = np.r_[0, np.geomspace(1 / 250, 0.2, 18), np.linspace(0.2, 1, 27)[1:]]
    rng = np.random.default_rng([9, 0])
    y = rng.binomial(50_000, expit(logit(curve(share)) + 0.01 * rng.standard_normal(len(share))))
    t = Trajectory.of_counts("r", "score", share * sim.END, y, 50_000)
    asked = []
    original = calque.phases.detection.influence.without
    monkeypatch.setattr(calque.phases.detection.influence, "without", lambda t, i: asked.append(i) or original(t, i))
    rows = judge_group([t], Settings(boot=19)).transitions
    assert asked == [0], "it is the furthest from its neighbours"
    assert all(row.without_checkpoint is None for row in rows)


def test_a_checkpoint_that_the_others_predict_decides_nothing():
    a = analyse(series(ONSET, sd=0.1), boot=19)
    score = float(a.fit.curve[20])
    near, far = (replace(a.trajectory, y=np.where(np.arange(N) == 20, x, a.trajectory.y)) for x in (score, 0.95))
    less = analyse(without(a.trajectory, 20), boot=19)
    assert predicted(near, 20, less) and not predicted(far, 20, less)
    last = analyse(without(a.trajectory, N - 1), boot=19)
    assert predicted(replace(a.trajectory, y=np.append(a.trajectory.y[:-1], a.fit.curve[-1])), N - 1, last)


def test_a_run_and_a_metric_of_one_name_are_told_apart_in_sentences():
    wild = series(flat, wild={N - 1: 0.9})
    cube = xr.Dataset(
        {"tokens": (("run", "checkpoint"), TOKENS[None]),
         "ppl": (("run", "checkpoint"), np.round(wild.y * TRIALS)[None], {"metric_kind": "count", "trials": TRIALS})},
        coords={"run": ["ppl"]},
    )  # fmt: skip
    text = " ".join(calque.detect(cube, boot=19).summary(300).split())
    assert "ppl of run ppl hangs on the one checkpoint" in text and "ppl ppl" not in text

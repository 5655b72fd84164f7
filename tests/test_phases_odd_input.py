"""Odd input: an outcome without numbers it should not have, or one clear line; never a crash or a warning."""

import json

import numpy as np
import pytest
import xarray as xr

from calque.data.errors import UserError
from calque.phases.detection.detect import detect
from calque.phases.results import Outcome
from calque.phases.settings import Settings

N = 16
TOKENS = np.linspace(1e5, 4e6, N)
S = 1 / (1 + np.exp(-(np.arange(N) - 8) / 0.9))
SCALES = pytest.mark.parametrize("scale", ["log", "linear"])


def cube_of(y, tokens=TOKENS, trials=100.0, kind="count"):
    y = np.atleast_2d(np.asarray(y, float))
    names = [f"run{i}" for i in range(len(y))]
    tokens = np.broadcast_to(np.asarray(tokens, float), y.shape).copy()
    cube = xr.Dataset(
        {"tokens": (("run", "checkpoint"), tokens), "score": (("run", "checkpoint"), y)}, coords={"run": names}
    )
    cube["score"].attrs = {"metric_kind": kind} | ({"trials": trials} if kind == "count" else {})
    return cube


def judged(cube, scale="log"):
    """Return the rows of a cube by (run, estimand), after what holds of every row whatever came in."""
    report = detect(cube, Settings(boot=19, scale=scale, metrics=("score",)))
    json.dumps(report.to_dict(), allow_nan=False)
    out = {}
    for t in report.transitions:
        out[t.run, t.estimand] = t
        asked = cube["tokens"].sel(run=t.run).values[np.isfinite(cube["score"].sel(run=t.run).values)]
        numbers = [v for v in (t.low, t.tokens, t.high) if v is not None]
        assert np.all(np.isfinite(numbers)) and numbers == sorted(numbers), t
        assert t.outcome in set(Outcome) and t.reason and "nan" not in t.reason and "inf" not in t.reason, t
        assert t.p_value is None or 0 < t.p_value <= 1, t
        assert t.n_checkpoints == len(asked)
        if t.outcome in (Outcome.NONE, Outcome.TOO_FEW_POINTS) or t.estimand == "delay":
            assert not numbers, t
        elif t.estimand == "width":
            assert min(numbers, default=0) >= 0, t
        else:
            # a corner may be placed beyond the run: see the test of it alone
            last = np.inf if t.estimand == "onset" else asked[-1] * (1 + 1e-9)
            assert all(asked[0] * (1 - 1e-9) <= v <= last for v in numbers), t
    for run in cube["run"].values:
        assert (run, "delay") in out and (run, "takeoff") in out
    return out


def outcomes(cube, scale="log", run="run0"):
    found = judged(cube, scale)
    return found[run, "delay"].outcome, found[run, "takeoff"].outcome


@SCALES
@pytest.mark.parametrize("n", [1, 3, 7])
def test_fewer_than_eight_checkpoints_say_so(n, scale):
    y = np.linspace(0, 100, n)
    assert outcomes(cube_of(y, TOKENS[:n]), scale) == (Outcome.TOO_FEW_POINTS, Outcome.TOO_FEW_POINTS)


@SCALES
def test_eight_checkpoints_are_enough_for_a_jump(scale):
    found = judged(cube_of([0, 0, 1, 0, 0, 90, 92, 91], TOKENS[:8]), scale)["run0", "takeoff"]
    assert found.outcome == Outcome.FOUND
    assert found.low <= TOKENS[4] * (1 + 1e-9) and found.high >= TOKENS[5] * (1 - 1e-9)


@SCALES
@pytest.mark.parametrize("value", [0.0, 100.0, 37.0])
@pytest.mark.parametrize("hole", [slice(0, 0), slice(10, 16)], ids=["whole", "then missing"])
def test_constants_have_no_transition(value, hole, scale):
    y = np.full(N, value)
    y[hole] = np.nan
    found = judged(cube_of(y), scale)
    assert {t.outcome for t in found.values()} == {Outcome.NONE} and found["run0", "delay"].p_value == 1.0


@SCALES
@pytest.mark.parametrize("trials", [1.0, 100.0])
def test_a_last_checkpoint_that_alone_differs_is_no_takeoff_located_before_it(trials, scale):
    y = np.zeros(N)
    y[-1] = trials
    found = judged(cube_of(y, trials=trials), scale)["run0", "takeoff"]
    # one success of one trial may also be the luck of a slow rise; ninety of a hundred are not
    assert trials == 1 or found.high is None or found.high >= TOKENS[-1] * (1 - 1e-9)


@SCALES
@pytest.mark.parametrize("hole", [slice(0, 3), slice(6, 9), slice(12, 16)], ids=["start", "middle", "end"])
def test_missing_stretches_leave_the_rest(hole, scale):
    y = np.round(100 * S)
    y[hole] = np.nan
    delay, takeoff = outcomes(cube_of(np.stack([y, np.full(N, np.nan)])), scale)
    assert takeoff in (Outcome.FOUND, Outcome.NOT_SHARPLY_LOCATED, Outcome.CENSORED)
    assert delay == Outcome.FOUND


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["score"].values.fill(np.nan), "no checkpoint with a value"),
        (lambda c: c["tokens"].values[0].sort() or c["tokens"].values[0, 5:7].fill(5e5), "strictly increasing"),
        (lambda c: c["tokens"].values[0].__setitem__(slice(None), TOKENS[::-1]), "strictly increasing"),
        (lambda c: c["tokens"].values[0].__setitem__(0, -1.0), "0 or more"),
        (lambda c: c["tokens"].values.fill(np.nan), "no tokens"),
        (lambda c: c["tokens"].values[0].__setitem__(4, np.nan), "checkpoint 4"),
        (lambda c: c["score"].values[0].__setitem__(3, 101.0), "101 successes of 100 trials at checkpoint 3"),
        (lambda c: c["score"].values[0].__setitem__(3, -1.0), "-1 successes of 100 trials at checkpoint 3"),
    ],
    ids=["all missing", "equal", "decreasing", "negative", "no tokens", "hole", "above trials", "below 0"],
)
def test_what_cannot_be_meant_is_one_line(change, said):
    cube = cube_of(np.round(100 * S))
    change(cube)
    with pytest.raises(UserError, match=said) as error:
        detect(cube, Settings(boot=19, metrics=("score",)))
    assert "\n" not in str(error.value)


def test_tokens_that_are_infinite_are_no_place_and_refused():
    cube = cube_of(np.round(100 * S))
    cube["tokens"].values[0, -1] = np.inf
    with pytest.raises(UserError, match="tokens of run 'run0' is infinite at checkpoint 15"):
        detect(cube, Settings(boot=19, metrics=("score",)))


@SCALES
@pytest.mark.parametrize(
    "tokens",
    [np.geomspace(1e3, 1e13, N), np.concatenate([[0.0], np.geomspace(1e3, 1e13, N - 1)]), np.arange(N) * 1e6],
    ids=["ten decades", "from 0", "even from 0"],
)
def test_a_wide_range_of_tokens(tokens, scale):
    found = judged(cube_of(np.round(100 * S), tokens), scale)["run0", "takeoff"]
    # where checkpoints are two thirds of a decade apart this rise is slower than tokens: no delayed start
    assert found.outcome not in (Outcome.NONE, Outcome.TOO_FEW_POINTS)
    if found.tokens is not None and scale == "log":
        assert tokens[3] <= found.tokens <= tokens[9]


@SCALES
@pytest.mark.parametrize("trials", [1e9, 1.0])
def test_many_trials_and_single_ones(trials, scale):
    y = np.round(S * trials) if trials > 1 else (S > 0.5).astype(float)
    delay, takeoff = outcomes(cube_of(y, trials=trials), scale)
    assert takeoff != Outcome.TOO_FEW_POINTS and (trials == 1 or (delay, takeoff) == (Outcome.FOUND, Outcome.FOUND))


@SCALES
@pytest.mark.parametrize("kind", ["spike", "alternating", "noise"])
def test_wild_series_are_judged(kind, scale):
    y = {
        "spike": np.where(np.arange(N) == 7, 80.0, 2.0),
        "alternating": 100.0 * (np.arange(N) % 2),
        "noise": np.random.default_rng(0).integers(0, 101, N),
    }[kind]
    delay, takeoff = outcomes(cube_of(y), scale)
    if kind == "alternating":
        assert delay in (Outcome.NONE, Outcome.SMOOTH, Outcome.NOT_ESTABLISHED, Outcome.DECLINING)
    assert takeoff != Outcome.TOO_FEW_POINTS


def test_a_corner_is_not_placed_beyond_the_run():
    onset = judged(cube_of(np.where(np.arange(N) == 7, 80.0, 2.0)))["run0", "onset"]
    assert onset.high is None or onset.high <= TOKENS[-1] * (1 + 1e-9)


@SCALES
@pytest.mark.parametrize(
    "size",
    [
        1e-12,
        1.0,
        1e12,
    ],
)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_the_size_of_a_continuous_score_does_not_matter(size, level, scale):
    noise = 0.02 * np.sin(np.arange(N) * 2.3)
    found = judged(cube_of(size * (level + S + noise), kind="continuous"), scale)
    assert found["run0", "delay"].outcome == Outcome.FOUND
    assert TOKENS[3] <= found["run0", "takeoff"].tokens <= TOKENS[8]
    assert {t.outcome for t in judged(cube_of(np.full(N, size), kind="continuous"), scale).values()} == {Outcome.NONE}


@pytest.mark.parametrize("kind", ["continuous", "count", "proportion"])
def test_infinite_values_count_as_missing(kind):
    y = S * (100 if kind == "count" else 1)
    y[[2, 11]] = np.inf, -np.inf
    found = judged(cube_of(y, kind=kind))
    assert found["run0", "takeoff"].n_checkpoints == N - 2


def test_a_single_run_without_the_dimension():
    cube = cube_of(np.round(100 * S)).isel(run=0)
    assert {t.run for t in detect(cube, Settings(boot=19)).transitions} == {"run0"}


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_scores_are_missing_with_a_note(value):
    cube = cube_of(np.stack([5 - 4 * S, 5 - 4 * S]), kind="continuous")
    cube["score"].values[1, 3:5] = value
    report = detect(cube, Settings(boot=19, metrics=("score",)))
    assert "score: infinite values are taken as missing: run1 2" in report.notes
    assert [t.n_checkpoints for t in report.transitions if t.estimand == "delay"] == [N, N - 2]
    assert not detect(cube.isel(run=[0]), Settings(boot=19, metrics=("score",))).notes

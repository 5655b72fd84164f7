"""Repeated values: told from chance, analysed once, and said; scores that truly stay are left as they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

import calque
from calque.phases.series.prepared import prepared
from calque.phases.series.repeats import equal_checkpoints, repeats, without_repeats
from calque.phases.series.trajectory import Trajectory
from tests import phases_simulation as sim

N, TRIALS = 100, 125
TOKENS = np.arange(1, N + 1) * sim.END / N
SCORES = {**sim.NULLS, "onset": sim.onset(2e6, 0.2, floor=0.0004)}


def counted(values, trials=TRIALS, tokens=TOKENS, run="r", metric="m"):
    return Trajectory.of_counts(run, metric, tokens[: len(values)], values, trials)


def drawn(name, seed, trials=TRIALS):
    return sim.counts(np.random.default_rng([seed, 5]), SCORES[name](TOKENS), trials)


def irregular(values, seed):
    """Carry a third of the values forward."""
    rng, n = np.random.default_rng([seed, 6]), len(values)
    at = np.sort(rng.choice(np.arange(1, n), n // 3, replace=False))
    return np.asarray(values)[np.maximum.accumulate(np.where(np.isin(np.arange(n), at), np.arange(n), 0))]


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("trials", [3, 20, 125, 1000])
def test_scores_that_nobody_holds_are_left_as_they_are(name, trials):
    assert not [seed for seed in range(40) if repeats(counted(drawn(name, seed, trials), trials)) is not None]


@pytest.mark.parametrize("times", [2, 4])
@pytest.mark.parametrize("name", SCORES)
def test_values_held_for_as_many_rows_each_are_found_out(name, times):
    for seed in range(20):
        held = np.repeat(drawn(name, seed)[::times], times)[:N]
        found = repeats(counted(held))
        assert found is not None and (found.pattern, found.times) == ("regular", times)
        np.testing.assert_array_equal(found.kept, np.arange(0, N, times))


def test_blocks_may_begin_anywhere_and_rows_may_be_missing():
    held = np.repeat(drawn("linear", 1)[:26], 4)[1:101].astype(float)
    held[[17, 40, 41]] = np.nan
    t = counted(held)
    found = repeats(t)
    assert found is not None and found.pattern == "regular"
    # the first block is cut short, and of block 41 to 44 (rows 40, 41 missing) the third row is the first there is
    assert list(t.index[found.kept][:3]) == [0, 3, 7] and len(found.kept) == 26
    part = without_repeats(t, found)
    np.testing.assert_allclose(np.diff(part.distances[0])[[1, 2, 3]], 1.0)


@pytest.mark.parametrize("name", ["flat", "linear", "onset"])
def test_values_held_for_various_times_are_found_out(name):
    found = [repeats(counted(irregular(drawn(name, seed), seed))) for seed in range(20)]
    assert sum(one is not None for one in found) >= 19
    assert all(one.pattern == "irregular" and 25 <= len(one.kept) <= 45 for one in found if one)


def test_a_score_that_truly_stays_is_not_taken_for_a_held_one():
    rng = np.random.default_rng(0)
    learned = np.where(TOKENS > 2e6, 1.0, np.clip(1 - np.exp(-TOKENS / 5e5) + rng.normal(0, 0.02, N), 0, 0.99))
    never = np.where(TOKENS < 3e6, 0.0, 0.1 + 0.2 * rng.random(N))
    stuck = np.where(TOKENS < 2e6, 38, rng.binomial(104, 0.5, N))
    stairs = np.floor(TOKENS / 1e6)
    capped = np.minimum(np.cumsum(rng.random(N)), 20.0)
    for values in (learned, never):
        assert repeats(Trajectory.of_values("r", "m", TOKENS, values, proportion=True)) is None
    assert repeats(counted(stuck, 104)) is None
    for values in (stairs, capped):
        assert repeats(Trajectory.of_values("r", "m", TOKENS, values)) is None
    both = [Trajectory.of_values("r", m, TOKENS, v, falls=False) for m, v in (("a", capped), ("b", 2 * capped))]
    assert len(equal_checkpoints(both)) == 0


def test_what_stays_at_a_bound_is_thinned_like_the_rest_and_not_to_one_checkpoint():
    values = irregular(drawn("linear", 3), 3)
    values[60:] = TRIALS
    found = repeats(counted(values))
    assert found is not None and found.pattern == "irregular"
    assert 10 <= (found.kept >= 60).sum() <= 20


def test_checkpoints_that_are_equal_in_every_metric_are_left_out():
    rng = np.random.default_rng(1)
    again = np.isin(np.arange(N), [30, 31, 50, 77, 78])
    of = np.maximum.accumulate(np.where(again, 0, np.arange(N)))
    acc, loss = rng.binomial(TRIALS, 0.3, N)[of], (3 - TOKENS / sim.END + rng.normal(0, 0.01, N))[of]
    one, two = counted(acc, metric="acc"), Trajectory.of_values("r", "loss", TOKENS, loss)
    assert list(equal_checkpoints([one, two])) == [30, 31, 50, 77, 78]
    assert len(equal_checkpoints([one])) == 0
    other = counted(rng.binomial(TRIALS, 0.3, N), metric="other")
    assert len(equal_checkpoints([one, two, other])) == 0
    few, notes = prepared([one, two])
    assert [t.n for t in few] == [95, 95]
    assert notes == (
        "acc, loss of r: checkpoints are equal to the one before in every metric and left out: 95 of 100 checkpoints "
        "are analysed",
    )


def test_one_sentence_is_said_at_import_and_in_every_result(tmp_path):
    path = tmp_path / "log.csv"
    rng = np.random.default_rng(2)
    held = np.repeat(rng.binomial(TRIALS, 0.3, N // 4), 4) / TRIALS
    path.write_text(
        "t,run,acc\n" + "".join(f"{t:.0f},{r},{v}\n" for r in "ab" for t, v in zip(TOKENS, held, strict=True))
    )
    made = calque.import_log(path, tokens="t", metric="acc", run="run", trials=str(TRIALS))
    sentence = (
        "acc of a, b: each value stands 4 times in a row, as if held between evaluations: 25 of 100 checkpoints are "
        "analysed"
    )
    assert sentence in made.notes and sentence in made.cube.attrs["import_notes"]
    found = calque.detect(made.cube, boot=19)
    assert {row.n_checkpoints for row in found.report.transitions} == {25}
    assert sentence in json.loads(json.dumps(found.report.to_dict()))["notes"]
    assert sentence in " ".join(found.summary().split())
    classical = calque.detect(made.cube, family="kink", boot=19)
    assert sentence in classical.report.notes
    assert {row.n_checkpoints for row in classical.report.transitions} == {25}


def test_equal_rows_at_one_place_are_one_checkpoint(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("t,a\n1,0.5\n1,0.5\n2,0.7\n2,0.7\n3,0.1\n")
    made = calque.import_log(path, tokens="t", metric="a")
    assert made.cube.sizes["checkpoint"] == 3
    assert any("2 rows with the position and the values of another one" in note for note in made.notes)


def test_items_that_are_held_are_found_out_in_a_cube():
    rng = np.random.default_rng(3)
    right = np.repeat((rng.random((15, 2, 2, 30)) < 0.4).astype(np.int8), 3, axis=0)
    cube = xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), TOKENS[None, :45]),
            "translation_outcome": (("run", "checkpoint", "source", "target", "concept"), right[None]),
        },
        coords={"run": ["r"], "source": ["en", "de"], "target": ["en", "de"]},
        attrs={"calque_schema": 1},
    )
    found = calque.detect(cube, metric="translation", boot=19).report
    assert found.transitions[0].n_checkpoints == 15
    assert any("each value stands 3 times in a row" in note for note in found.notes)

"""Runs as replicates of any metric: the exact interval of the median, censored runs, pooling without languages."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom

import calque
from calque.data.errors import UserError
from calque.phases.pooling.across_runs import fewest, median_of, seed_rows
from calque.phases.pooling.questions import Question
from calque.phases.pooling.rows import Condition
from calque.phases.pooling.seeds import cannot_be_claimed
from calque.phases.pooling.tables import pooled_text
from calque.phases.results import Outcome
from tests import phases_simulation as sim

TOKENS = np.arange(1, 31) * sim.END / 30
Q = Question("acc", "takeoff")


def log_cube(n, never=0, seed=0, **coordinates):
    """Return a cube of n runs of an accuracy whose times differ between seeds; the last ``never`` stay flat."""
    rng = np.random.default_rng(seed)
    times = 0.3 * sim.END * np.exp(0.15 * rng.standard_normal(n))
    curves = [np.full(30, 0.1) if i >= n - never else 0.1 + sim.onset(t, 0.2)(TOKENS) for i, t in enumerate(times)]
    counts = np.stack([sim.counts(rng, np.minimum(c, 0.95), 200) for c in curves])
    made = xr.Dataset(
        {"tokens": (("run", "checkpoint"), np.tile(TOKENS, (n, 1))),
         "acc": (("run", "checkpoint"), counts, {"metric_kind": "count", "trials": 200})},
        coords={"run": [f"s{i}" for i in range(n)]} | {k: ("run", v) for k, v in coordinates.items()},
    )  # fmt: skip
    return made, times


@pytest.mark.parametrize(("n", "rank"), [(5, 0), (6, 1), (8, 1), (9, 2), (10, 2), (12, 3), (25, 8)])
def test_the_interval_of_a_median_is_that_of_the_sign_test(n, rank):
    x = np.sort(np.random.default_rng(n).normal(size=n))
    found = median_of(x[::-1], x[::-1], 0.95)
    assert found.rank == rank and found.at == np.median(x)
    if rank:
        assert (found.low, found.high) == (x[rank - 1], x[n - rank])
        assert found.coverage == pytest.approx(1 - 2 * binom.cdf(rank - 1, n, 0.5)) and found.coverage >= 0.95
        assert 1 - 2 * binom.cdf(rank, n, 0.5) < 0.95
    assert fewest(0.95) == 6 and fewest(0.9) == 5 and fewest(0.99) == 8


@pytest.mark.simulation
def test_the_interval_covers_the_median_of_other_seeds_whatever_their_law():
    rng = np.random.default_rng(0)
    for draw in (rng.standard_normal, lambda size: rng.exponential(size=size) - np.log(2), rng.standard_cauchy):
        held = [m.low <= 0 <= m.high for m in (median_of(x, x, 0.95) for x in draw(size=(1500, 9)))]
        assert np.mean(held) > 0.95


def test_runs_that_never_took_off_are_beyond_the_others_and_not_dropped():
    low = np.log([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0, 9.0])
    high = np.where(np.arange(9) < 7, low, np.inf)
    found = median_of(low, high, 0.95)
    assert (found.at, found.low, found.high) == (np.log(5), np.log(2), np.inf)
    assert median_of(low, np.full(9, np.inf), 0.95).at == np.inf
    assert np.isnan(median_of(np.array([-np.inf, 0.0]), np.array([0.0, np.inf]), 0.95).low)


def designs(n, **more):
    return [Condition(f"s{i}", more.get("size"), None, more.get("mix")) for i in range(n)]


def test_rows_say_how_many_runs_have_a_time():
    ends = {f"s{i}": (float(i), float(i)) for i in range(8)} | {"s8": (8.0, np.inf), "s9": None}
    median, mean = seed_rows(designs(10), Q, ends, 0.95)
    assert (median.method, median.outcome, median.n_censored, median.n_missing) == ("seed_median", "found", 1, 1)
    assert np.log([median.low, median.estimate, median.high]) == pytest.approx([1, 4, 7])
    assert "takeoff located in 8 of 10 runs, 1 could not be analysed" in median.reason
    assert (mean.method, mean.outcome, mean.estimate) == ("seed_t", Outcome.CENSORED, None)
    few, t = seed_rows(designs(3), Q, {f"s{i}": (float(i), float(i)) for i in range(3)}, 0.95)
    assert few.outcome == Outcome.TOO_FEW_POINTS and few.estimate and few.low is None and "needs 6 runs" in few.reason
    assert t.outcome == Outcome.FOUND and t.df == 2
    (none, lone) = seed_rows(designs(1), Q, {"s0": None}, 0.95)
    assert none.estimate is None and lone.outcome == Outcome.CENSORED
    assert lone.reason == "takeoff located in 0 of 1 run, 1 could not be analysed, so there is no mean"


def test_ten_runs_of_an_imported_metric_give_a_statement_across_seeds(tmp_path):
    cube, times = log_cube(10, never=1, seed=4)
    found = calque.detect(cube, boot=199)
    median, mean = found.across
    assert (median.n_runs, median.n_censored, mean.outcome) == (10, 1, Outcome.CENSORED)
    assert median.low < median.estimate < median.high and abs(np.log(median.estimate / np.median(times))) < 0.3
    text = " ".join(found.summary(300).split())
    assert "Across runs" in text and "9 of 10" in text
    assert "all 10 are taken as replicates that differ in their seeds alone" in text
    assert found.to_dict()["across_runs"][0]["reason"] == median.reason
    assert len(found.to_dataframe("across_runs")) == 2
    found.to_html(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "Across runs" in page and "located in 9 of 10 runs" in page
    pooled = calque.pool(cube, metric="acc", boot=199)
    assert [r.estimate for r in pooled.report.pooled if r.method == "seed_median"] == [median.estimate]
    assert [r.method for r in pooled.report.pooled].count("own") == 10 and not pooled.report.pairs
    (test,) = [t for t in pooled.report.tests if t.role == "primary"]
    assert (test.metric, test.estimand, test.n_runs, test.at_least) == ("acc", "delay", 10, 6) and test.p_value
    assert any("no pairs of languages" in note for note in pooled.report.notes)
    json.dumps(pooled.to_dict(), allow_nan=False)
    assert "9 of 10 runs" in pooled.summary(300) and "this run" in pooled.summary(300)


def test_two_runs_give_a_mean_without_an_interval():
    """Their t interval, from one difference, spans 165k to 150T tokens: it is told in words, as what it is."""
    at = {"s0": math.log(1.11e9), "s1": math.log(4.87e9), "s2": math.log(2e9), "s3": math.log(1.2e9)}
    ends = {run: (x, x) for run, x in at.items()}
    _, two = seed_rows(designs(2), Q, ends, 0.95)
    assert (two.method, two.outcome, two.low, two.high, two.df) == ("seed_t", Outcome.TOO_FEW_POINTS, None, None, None)
    assert two.estimate == pytest.approx(math.sqrt(1.11e9 * 4.87e9)) and pooled_text(two) == (
        "2.33B (no interval), too few points"
    )
    assert "mean takeoff 2.33B tokens; takeoff located in 2 of 2 runs" in two.reason
    assert "no interval: so few runs do not show how much seeds scatter (t interval, df 1: " in two.reason
    three = seed_rows(designs(3), Q, ends, 0.95)[-1]
    assert three.outcome == Outcome.FOUND and three.low < three.estimate < three.high and three.df == 2
    mixes = [Condition(f"s{i}", None, None, "ab"[i // 2]) for i in range(4)]
    pooled = {(r.at, r.mix): r for r in seed_rows(mixes, Q, ends, 0.95) if r.method == "seed_t"}
    assert pooled["mix", "a"].low is None and pooled["mix", "b"].low is None
    assert pooled["size", None].low is None and "df 1.2" in pooled["size", None].reason
    lag = seed_rows(designs(2), Question("acc", "lag", "copying"), ends, 0.95)[-1]
    assert lag.p_value is None and lag.low is None and "times the tokens of copying; lag located" in lag.reason
    assert any("of two runs no t interval is given" in said for said in cannot_be_claimed("a", 2))


def test_sizes_and_mixes_are_pooled_apart_and_single_runs_make_no_statement():
    cube, _ = log_cube(6, size=["1m"] * 3 + ["2m"] * 3, mix=["a", "a", "b", "a", "a", "a"])
    rows = calque.pool(cube, boot=19).report.pooled
    assert {(r.at, r.size, r.mix, r.method) for r in rows if r.at != "run"} >= {
        ("mix", "1m", "a", "seed_median"), ("mix", "1m", "b", "seed_t"), ("size", "1m", None, "seed_t"),
        ("size", "2m", "a", "seed_median"),
    }  # fmt: skip
    alone, _ = log_cube(3, size=["1m", "2m", "3m"])
    assert calque.detect(alone, boot=19).across == ()
    by_params, _ = log_cube(3, n_params=[1e6, 2e6, 2e6])
    assert {r.size for r in calque.detect(by_params, boot=19).across} == {"2M"}


def test_pairs_are_pooled_only_where_there_are_pairs():
    cube, _ = log_cube(2)
    with pytest.raises(UserError, match="pool runs instead with `over` seed"):
        calque.pool(cube, metric="acc", over="pair", boot=19)
    with pytest.raises(UserError, match="`over` is 'seeds'; expected pair, language or seed"):
        calque.pool(cube, metric="acc", over="seeds", boot=19)

"""Pooling: the jackknife and its censored form, seeds, tests of sizes, and the command."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from data import cube as cubes
from data.errors import UserError
from phases.censored import FAMILIES, fit_censored, robust_covariance
from phases.jackknife import jackknife_variance, satterthwaite, t_interval
from phases.pooling import PairTimes, pool_deleted, pool_pairs
from phases.pooling_imputation import Components, impute
from phases.pooling_mixed import pool_mixed
from phases.pooling_questions import Question, parse
from phases.pooling_results import PairTest
from phases.pooling_rows import Design, size_rows
from phases.pooling_run import PoolSettings, pool
from phases.pooling_seeds import (
    PooledRuns,
    bootstrap_atoms,
    cannot_be_claimed,
    majority,
    partial_conjunction,
    sign_test_floor,
)
from phases.pooling_tests import benjamini_yekutieli, size_tests, sizes_out_of_reach, smallest_possible
from phases.pooling_times import lag_ends, pairs_by_group, takeoff_ends
from phases.results import DetectionReport, Lag, Outcome, Transition
from tests.benchmarks.pooling_coverage import MEAN, PAIR_LAWS, censor, effects, generator
from tests.phases_cube import study
from tests.test_phases_cli import phases, refused

pytestmark = pytest.mark.filterwarnings("error")


def times(languages=9, key=0, law="source and target alike", share=0.0, shift=0.0):
    made = PAIR_LAWS[law]
    rng = generator("test", key)
    y = effects(rng, languages, made)
    y = y + made[2] * rng.standard_normal(len(y)) + shift
    return censor(y, languages, np.quantile(y, 1 - share) if share else np.inf), y


def intervals(family, n=400, seed=0):
    """Times at known scale, some exact, some in an interval, some open on either side."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.standard_normal(n)])
    e = {"lognormal": rng.standard_normal, "loglogistic": rng.logistic}.get(
        family, lambda size: np.log(rng.exponential(size=size))
    )(size=n)
    y = x @ np.array([2.0, 0.5]) + 0.4 * e
    low, high = np.floor(y * 4) / 4, np.ceil(y * 4) / 4
    low[y < 1.2], high[y < 1.2] = -np.inf, 1.2
    low[y > 2.8], high[y > 2.8] = 2.8, np.inf
    low[:50] = high[:50] = y[:50]
    return x, low, high


@pytest.mark.parametrize("family", FAMILIES)
def test_censored_fit_is_the_maximum_of_the_likelihood(family):
    x, low, high = intervals(family)
    fit = fit_censored(x, low, high, family)
    assert fit.converged

    def by_hand(b, s):
        import scipy.stats as st

        law = {"lognormal": st.norm, "loglogistic": st.logistic, "weibull": st.gumbel_l}[family]
        exact = low == high
        z = (low[exact] - x[exact] @ b) / s
        inside = law.cdf((high - x @ b) / s) - law.cdf((low - x @ b) / s)
        return float((law.logpdf(z) - np.log(s)).sum() + np.log(inside[~exact]).sum())

    top = by_hand(fit.coefficients, fit.scale)
    assert top == pytest.approx(fit.log_likelihood, abs=1e-8)
    for db, ds in (([1e-3, 0], 0), ([0, 1e-3], 0), ([0, 0], 1e-3)):
        for sign in (1, -1):
            assert by_hand(fit.coefficients + sign * np.array(db), fit.scale + sign * ds) < top
    errors = np.sqrt(np.diag(robust_covariance(x, low, high, fit)))
    assert np.all(np.abs(fit.coefficients - [2.0, 0.5]) < 4 * errors) and np.all(errors < 0.08)


def test_robust_covariance_without_censoring_is_white():
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(80), rng.standard_normal(80)])
    y = x @ np.array([1.0, 2.0]) + rng.standard_normal(80) * (1 + np.abs(x[:, 1]))
    fit = fit_censored(x, y, y, "lognormal")
    bread = np.linalg.inv(x.T @ x)
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    white = bread @ (x.T * residual**2) @ x @ bread
    # with the scale estimated too; its score is almost unrelated to those of the coefficients
    np.testing.assert_allclose(np.diag(robust_covariance(x, y, y, fit)), np.diag(white), rtol=0.02)


def test_far_tails_keep_their_digits():
    x = np.ones((3, 1))
    low, high = np.array([0.0, 30.0, -np.inf]), np.array([0.01, np.inf, 1e-3])
    assert np.isfinite(fit_censored(x, low, high, "lognormal").log_likelihood)
    far = FAMILIES["lognormal"].log_sf(np.array([30.0]))
    assert far[0] == pytest.approx(norm.logsf(30.0))


def test_jackknife_of_a_mean_is_the_textbook_variance():
    y = np.random.default_rng(1).standard_normal(12)
    deleted = np.array([np.delete(y, i).mean() for i in range(12)])
    assert jackknife_variance(deleted) == pytest.approx(y.var(ddof=1) / 12)
    found = t_interval(1.0, 0.04, 8, 0.95)
    assert (found.low, found.high) == (pytest.approx(1 - 2.306004 * 0.2), pytest.approx(1 + 2.306004 * 0.2))
    assert found.p_value(found.low) == pytest.approx(0.05)
    assert satterthwaite(np.array([1.0, 1.0]), np.array([5.0, 5.0])) == pytest.approx(10)


def test_pooling_deletes_a_language_at_both_ends():
    p, y = times()
    found = pool_pairs(p)
    assert found.interval.estimate == pytest.approx(y.mean()) and found.interval.df == 8
    without = y[(p.source != 3) & (p.target != 3)].mean()
    assert found.deleted[3] == pytest.approx(without)
    assert found.interval.se == pytest.approx(math.sqrt(8 / 9 * ((found.deleted - found.deleted.mean()) ** 2).sum()))


def test_pooling_does_not_depend_on_names_order_or_units():
    p, y = times(share=0.2)
    rng = np.random.default_rng(0)
    order, relabel = rng.permutation(len(y)), rng.permutation(9) + 5
    q = PairTimes(relabel[p.source][order], relabel[p.target][order], p.low[order] + 3, p.high[order] + 3)
    a, b = pool_pairs(p).interval, pool_pairs(q).interval
    assert b.estimate == pytest.approx(a.estimate + 3, abs=1e-6) and b.se == pytest.approx(a.se, rel=1e-5)


def test_censored_pairs_are_fitted_not_dropped():
    p, y = times(share=0.3)
    found = pool_pairs(p)
    assert found.n_right == 22 and found.estimator == "tobit" and "22 censored" in found.reason
    located = y[p.low == p.high].mean()
    assert located < y.mean() - 0.1  # what dropping them would do
    assert abs(found.interval.estimate - y.mean()) < 0.06
    left = PairTimes(p.source, p.target, -p.high, -p.low)
    assert pool_pairs(left).interval.estimate == pytest.approx(-found.interval.estimate, abs=1e-6)


@pytest.mark.parametrize(
    ("made", "outcome", "word"),
    [
        (times(languages=3)[0], Outcome.TOO_FEW_POINTS, "3 languages"),
        (times(share=0.6)[0], Outcome.CENSORED, "of 72 pairs are censored"),
        (PairTimes(np.array([0, 0, 0, 1, 2, 3]), np.array([1, 2, 3, 0, 0, 0]), np.arange(6.0), np.arange(6.0)),
         Outcome.NOT_CONVERGED, "without one of the languages"),
    ],
)  # fmt: skip
def test_what_cannot_be_pooled_says_so(made, outcome, word):
    found = pool_pairs(made)
    assert found.outcome == outcome and word in found.reason and found.interval is None


def test_deleting_languages_of_a_whole_run():
    found = pool_deleted(1.0, np.array([0.9, 1.0, 1.1, 1.0]))
    assert found.outcome == Outcome.FOUND and found.interval.df == 3
    gone = pool_deleted(1.0, np.array([0.9, np.nan, 1.1, 1.0]))
    assert gone.outcome == Outcome.NOT_SHARPLY_LOCATED and gone.interval is None
    assert pool_deleted(math.nan, np.ones(5)).outcome == Outcome.CENSORED


def test_mixed_effects_recover_which_end_varies():
    p, y = times(law="target alone", key=4)
    found = pool_mixed(p)
    assert found.outcome == Outcome.FOUND
    assert found.interval.estimate == pytest.approx(y.mean(), abs=1e-6)
    assert found.source_sd < 0.1 < found.target_sd and found.residual_sd == pytest.approx(0.2, rel=0.3)
    # balanced crossed effects have closed forms: analysis of variance without the diagonal, up to its loss
    targets = pd.Series(y).groupby(p.target).mean()
    assert found.target_sd == pytest.approx(targets.std(), rel=0.15)


def test_mixed_effects_impute_censored_times():
    p, y = times(share=0.2, key=2)
    found = pool_mixed(p, seed=1)
    assert found.outcome == Outcome.FOUND and "imputed 5 times" in found.reason
    assert abs(found.interval.estimate - y.mean()) < 0.07
    assert found.interval == pool_mixed(p, seed=1).interval
    assert pool_mixed(times(share=0.6)[0]).outcome == Outcome.CENSORED


def test_imputed_times_are_draws_within_their_limits():
    p, y = times(law="independent pairs", share=0.4, key=1)
    seen = []

    def fit(_, filled):
        seen.append(filled)
        return Components(MEAN, 0.1, 0.0, 0.0, 0.3)

    assert len(impute(p, fit, 0)) == 5
    censored = p.low != p.high
    for filled in seen[1:]:
        np.testing.assert_array_equal(filled[~censored], y[~censored])
        assert np.all(filled[censored] > p.low[censored])
        assert filled[censored].std() > 0.05  # draws, not one value for all
        assert filled.mean() == pytest.approx(MEAN, abs=0.15)
    assert not np.array_equal(seen[2], seen[3])
    assert impute(p, lambda *_: "no", 0) == ["no"]


def test_mixed_effects_that_cannot_be_fitted():
    p, y = times()
    flat = PairTimes(p.source, p.target, np.ones(72), np.ones(72))
    assert pool_mixed(flat).outcome == Outcome.NOT_CONVERGED
    assert pool_mixed(times(languages=3)[0]).outcome == Outcome.TOO_FEW_POINTS


@pytest.mark.simulation
def test_coverage_of_the_jackknife_and_of_the_naive_interval():
    inside = {"jackknife": 0, "naive": 0, "censored": 0}
    for r in range(200):
        p, y = times(key=("coverage", r))
        found = pool_pairs(p).interval
        inside["jackknife"] += found.low <= MEAN <= found.high
        inside["naive"] += abs(y.mean() - MEAN) <= 1.994 * y.std(ddof=1) / math.sqrt(72)
        # a fixed end of training: a quantile of each draw would move with it
        q = pool_pairs(censor(y, 9, MEAN + 0.35)).interval
        inside["censored"] += q is not None and q.low <= MEAN <= q.high
    assert inside["jackknife"] >= 182 and inside["censored"] >= 178  # .95 and .935 less three standard errors
    assert inside["naive"] <= 130


def test_intervals_over_seeds_languages_and_both():
    estimates, deleted = np.array([1.0, 1.2, 1.4]), np.array([[1.0, 1.1, 0.9, 1.0]] * 3)
    runs = PooledRuns([estimates], [deleted])
    seeds = runs.over_seeds(0.95)
    assert seeds.estimate == pytest.approx(1.2) and seeds.df == 2 and seeds.se == pytest.approx(0.2 / math.sqrt(3))
    languages = runs.over_languages(0.95)
    assert languages.df == 3 and languages.se**2 == pytest.approx(0.75 * 0.02)
    both = runs.over_both(0.95)
    assert both.se**2 == pytest.approx(seeds.se**2 + languages.se**2)
    assert both.low < min(seeds.low, languages.low)  # more to be unsure of is never a narrower interval
    assert PooledRuns([np.array([1.0])], None).over_seeds(0.95) is None
    mixes = PooledRuns([estimates, estimates + 1], None)
    assert mixes.mean == pytest.approx(1.7) and mixes.over_seeds(0.95).se == pytest.approx(0.2 / math.sqrt(6))


def test_what_few_seeds_cannot_claim():
    assert bootstrap_atoms(5) == 126 and sign_test_floor(5) == 0.0625 and sign_test_floor(6) < 0.05
    said = " ".join(cannot_be_claimed("micro", 5))
    assert "126" in said and "0.0625" in said and "at least 6" in said
    assert "1 seed" in cannot_be_claimed("micro", 1)[0] and cannot_be_claimed("micro", 6) == ()


def test_partial_conjunction():
    assert majority(5) == 3 and majority(2) == 2 and majority(1) == 1
    assert partial_conjunction([0.01, 0.02, 0.03, 0.9, 0.8], 3) == pytest.approx(3 * 0.03)
    assert partial_conjunction([0.04], 1) == 0.04 and partial_conjunction([0.01, 0.2], 2) == 0.2
    assert partial_conjunction([0.9] * 5, 3) == 1.0


def test_benjamini_yekutieli_by_hand():
    # m = 4, c = 25/12: p_(k) m c / k, then the running minimum from the top
    found = benjamini_yekutieli([0.01, 0.04, 0.03, 0.005])
    c = 25 / 12
    np.testing.assert_allclose(found, [0.01 * 4 * c / 2, 0.04 * c, 0.04 * c, 0.005 * 4 * c])
    assert benjamini_yekutieli([]) == []


def test_too_few_replicates_for_so_many_pairs_is_said():
    one = PairTest(run="a", source="x", target="y", metric="m", outcome=Outcome.FOUND, reason="", p_value=0.01)
    assert "no pair can pass" in smallest_possible([one] * 72, 19, 0.95)[0]
    # 72 * 4.861 / (200 * .05) = 35
    assert "unless 35 pairs" in smallest_possible([one] * 72, 199, 0.95)[0]
    assert smallest_possible([one] * 72, 9999, 0.95) == ()


def test_replicates_too_few_for_so_many_runs_are_said():
    q = Question("translation", "delay")
    tests = size_tests(designs(6), [q], q, detection([0.05] * 6), {}, 0.95)
    assert tests[0].p_value == pytest.approx(0.15)
    assert "cannot fall below p = 0.15: raise --boot to 59" in sizes_out_of_reach(tests, 19, 0.95)[0]
    assert sizes_out_of_reach(tests, 59, 0.95) == ()


def test_mixed_effects_near_a_boundary_converge():
    """Weak effects and one time at a far tail: BFGS alone gives up on some of these."""
    s, t = np.nonzero(~np.eye(9, dtype=bool))
    for key in range(8):
        rng = generator("boundary", key)
        y = 14 + 0.09 * rng.standard_normal(9)[s] + 0.1 * rng.standard_normal(9)[t] + 0.5 * rng.standard_normal(72)
        found = pool_mixed(PairTimes(s, t, y, np.where(rng.random(72) < 0.1, np.inf, y)))
        assert found.outcome == Outcome.FOUND, found.reason


def row(outcome, tokens=None, low=None, high=None, run="a", group="", p=0.01, estimand="takeoff", metric="m"):
    return Transition(
        run=run, group=group, metric=metric, estimand=estimand, outcome=outcome, reason="", tokens=tokens, low=low,
        high=high, level=0.95, p_value=p, n_checkpoints=20,
    )  # fmt: skip


def test_takeoffs_become_exact_censored_or_missing():
    last = 100.0
    exact = (math.log(50), math.log(50))
    assert takeoff_ends(row(Outcome.FOUND, 50.0, 40.0, 60.0), last) == exact
    assert takeoff_ends(row(Outcome.NOT_SHARPLY_LOCATED, 50.0, 2.0, 90.0), last) == exact
    assert takeoff_ends(row(Outcome.NONE), last) == (math.log(100), math.inf)
    assert takeoff_ends(row(Outcome.CENSORED, 50.0, 30.0, None), last) == (math.log(30), math.inf)
    assert takeoff_ends(row(Outcome.CENSORED, None, None, 5.0), last) == (-math.inf, math.log(5))
    assert takeoff_ends(row(Outcome.TOO_FEW_POINTS), last) is None


def lag_row(outcome, log_ratio=None, low=None, high=None):
    return Lag(run="a", group="", first="copying", second="translation", log_ratio=log_ratio, low=low, high=high,
               level=0.95, outcome=outcome, reason="")  # fmt: skip


def test_lags_become_exact_censored_or_missing():
    copying = row(Outcome.FOUND, 20.0, 10.0, 30.0)
    assert lag_ends(lag_row(Outcome.FOUND, 1.0, 0.5, 1.5), copying, 100.0) == (1.0, 1.0)
    assert lag_ends(lag_row(Outcome.CENSORED, 1.0, 0.5, None), copying, 100.0) == (0.5, math.inf)
    assert lag_ends(lag_row(Outcome.CENSORED, 1.0, None, 1.5), copying, 100.0) == (-math.inf, 1.5)
    assert lag_ends(lag_row(Outcome.NONE), copying, 100.0) == (pytest.approx(math.log(5)), math.inf)
    assert lag_ends(lag_row(Outcome.NONE), None, 100.0) is None


def detection(p_values, outcome=Outcome.FOUND, metric="translation"):
    rows = [row(outcome, run=f"r{i}", p=p, estimand="delay", metric=metric) for i, p in enumerate(p_values)]
    return DetectionReport(cube="c", settings={}, transitions=tuple(rows), lags=())


def designs(n, size="nano", mix="even"):
    return [Design(f"r{i}", size, None, mix) for i in range(n)]


def test_one_primary_a_size_is_left_alone_and_others_are_adjusted():
    q, other, third = Question("translation", "delay"), Question("copying", "delay"), Question("x", "delay")
    rows = (*detection([0.02, 0.01, 0.5]).transitions, *detection([0.02, 0.01, 0.02], metric="copying").transitions,
            *detection([0.02, 0.001, 0.5], metric="x").transitions)  # fmt: skip
    whole = DetectionReport(cube="c", settings={}, transitions=rows, lags=())
    first, second, last = size_tests(designs(3), [q, other, third], q, whole, {}, 0.95)
    assert (first.role, first.outcome, first.p_value, first.p_adjusted) == ("primary", Outcome.FOUND, 0.04, None)
    assert first.at_least == 2 and "at least 2 of 3 runs" in first.reason
    assert second.role == "secondary" and second.p_adjusted == pytest.approx(0.04 * 1.5)
    assert second.outcome == Outcome.NONE  # found alone, not after adjusting
    sizes = [*designs(1), Design("r1", "micro", None, "even")]
    assert [t.size for t in size_tests(sizes, [q], q, whole, {}, 0.95)] == ["nano", "micro"]


def test_runs_without_a_rise_or_without_a_test_count_against_the_size():
    q = Question("translation", "delay")
    flat = size_tests(designs(2), [q], q, detection([0.001, 0.001], Outcome.NONE), {}, 0.95)[0]
    assert flat.outcome == Outcome.NONE and flat.p_value == 1.0
    silent = size_tests(designs(3), [q], q, detection([0.001]), {}, 0.95)[0]
    assert silent.p_value == 1.0 and "2 of 3 runs cannot be tested" in silent.reason
    nothing = size_tests(designs(1), [q], q, DetectionReport(cube="", settings={}, transitions=(), lags=()), {}, 0.95)
    assert nothing[0].outcome == Outcome.TOO_FEW_POINTS and nothing[0].p_value is None
    labelled = size_tests(designs(2), [q], q, detection([0.001, 0.001], Outcome.METRIC_DEPENDENT), {}, 0.95)[0]
    assert labelled.outcome == Outcome.METRIC_DEPENDENT


def test_sizes_are_means_over_mixes_and_a_lost_run_is_not_dropped():
    q = Question("translation", "takeoff")
    pooled = {f"r{i}": (pool_pairs(times(shift=0.1 * i)[0]), tuple("abcdefghi")) for i in range(4)}
    runs = [*designs(2), Design("r2", "nano", None, "skewed"), Design("r3", "nano", None, "skewed")]
    rows = size_rows(runs, q, pooled, 0.95)
    assert [(r.at, r.mix, r.method) for r in rows if r.method == "seed_t"] == [
        ("mix", "even", "seed_t"), ("mix", "skewed", "seed_t"), ("size", None, "seed_t")
    ]  # fmt: skip
    by_mix = {r.mix: r.estimate for r in rows if r.method == "seed_t"}
    assert math.log(by_mix[None]) == pytest.approx((math.log(by_mix["even"]) + math.log(by_mix["skewed"])) / 2)
    lost = pooled | {"r1": (pool_pairs(times(share=0.6)[0]), tuple("abcdefghi"))}
    said = size_rows(designs(2), q, lost, 0.95)
    assert (
        len(said) == 1 and said[0].outcome == Outcome.CENSORED and said[0].estimate is None and "r1" in said[0].reason
    )
    other = pooled | {"r1": (pooled["r1"][0], tuple("abcdefghj"))}
    languages = size_rows(designs(2), q, other, 0.95)[0]
    assert languages.estimate is None and "differ in their languages" in languages.reason


def test_questions_are_read():
    assert parse("translation:delay") == Question("translation", "delay")
    assert parse("translation:lag") == parse("copying>translation:lag") == Question("translation", "lag", "copying")
    assert str(parse("false_copying>translation:lag")) == "false_copying>translation:lag"
    for text in ("translation", "translation:dealy", ":delay", "copying>translation:delay", "x>translation:lag",
                 "copying:lag"):  # fmt: skip
        with pytest.raises(UserError):
            parse(text)


@pytest.fixture(scope="module")
def small():
    """Two runs, four languages, few checkpoints: detection by pair stays quick."""
    made, truth = study(seed=3, runs=2, languages=4, concepts=24, n=24)
    return made, truth


@pytest.fixture(scope="module")
def report(small):
    return pool(small[0], PoolSettings(boot=19))


def test_a_cube_is_pooled_from_pairs_to_seeds(small, report):
    made, truth = small
    runs = [r for r in report.pooled if r.at == "run" and r.method == "jackknife_t" and r.estimand == "takeoff"]
    assert [r.run for r in runs] == ["seed0", "seed1"]
    for r in runs:
        assert r.n_pairs + r.n_missing == 12 and r.n_languages == 4
        if r.estimate is not None:
            assert r.low < r.estimate < r.high and r.df == 3
            assert abs(math.log(r.estimate / truth["translation"])) < 0.5
    assert len(report.pairs) == 24 and {p.role for p in report.pairs} == {"exploratory"}
    primary = [t for t in report.tests if t.role == "primary"]
    assert len(primary) == 1 and primary[0].size == "nano" and primary[0].p_adjusted is None
    assert any("2 seeds" in s for s in report.cannot_be_claimed)
    assert set(pairs_by_group(made)) >= {"source=en target=de"} and "source=en target=en" not in pairs_by_group(made)


def test_pool_json_has_null_for_what_is_absent(report):
    text = json.dumps(report.to_dict(), allow_nan=False)
    found = json.loads(text)
    assert found["schema"] == 1 and found["primary"] == "translation:delay"
    assert {p["outcome"] for p in found["pooled"]} <= {o.value for o in Outcome}
    seed_rows = [p for p in found["pooled"] if p["method"] == "seed_t" and p["at"] == "size"]
    assert seed_rows and seed_rows[0]["run"] is None and seed_rows[0]["mix"] is None


def test_lags_are_pooled_as_ratios_of_the_same_run(small, monkeypatch):
    """Detection stands in for itself with ratios of 2, 4 and one pair where translation never takes off."""
    made = small[0].isel(run=[0])
    names, last = list(made["source"].values), float(made["tokens"].max())

    def given(cube, settings, progress=None, name="", jobs=1):
        rows, lags = [], []
        groups = [""] if settings.by == ("run",) else [f"source={s} target={t}" for s in names for t in names if s != t]
        for i, g in enumerate(groups):
            for m in settings.metrics:
                rows += [
                    row(Outcome.FOUND, 1e5, 9e4, 2e5, "seed0", g, estimand=e, metric=m) for e in ("delay", "takeoff")
                ]
            for first, ratio in (("copying", 2.0), ("false_copying", 4.0)):
                here = i > 0 or first == "copying"
                lags.append(Lag(run="seed0", group=g, first=first, second="translation", level=0.95, reason="",
                                log_ratio=math.log(ratio) + 0.01 * (i % 3) if here else None,
                                outcome=Outcome.FOUND if here else Outcome.NONE))  # fmt: skip
        return DetectionReport(cube="", settings={}, transitions=tuple(rows), lags=tuple(lags))

    monkeypatch.setattr("phases.pooling_run.detect", given)
    asked = PoolSettings(estimands=("lag",), primary=parse("false_copying>translation:lag"))
    found = pool(made, asked)
    by_first = {r.first: r for r in found.pooled if r.at == "run" and r.method == "jackknife_t"}
    assert by_first["copying"].estimate == pytest.approx(2.02, abs=0.01) and by_first["copying"].n_censored == 0
    assert by_first["copying"].unit == "ratio" and by_first["copying"].p_value < 1e-4
    assert by_first["false_copying"].n_censored == 1 and by_first["false_copying"].estimate > 4
    assert last / 1e5 > 4
    primary = next(t for t in found.tests if t.role == "primary")
    assert (primary.first, primary.estimand, primary.outcome) == ("false_copying", "lag", Outcome.FOUND)
    assert not [r for r in found.pooled if r.estimand == "takeoff"]


def test_over_languages_locates_the_run_without_each(small):
    made, truth = small
    found = pool(made.isel(run=[0]), PoolSettings(boot=19, over="language"))
    (run,) = (r for r in found.pooled if r.at == "run")
    assert run.outcome == Outcome.FOUND and run.df == 3 and run.n_pairs is None and not found.pairs
    assert run.low < truth["translation"] < run.high


def test_pool_command(small, tmp_path, monkeypatch):
    path, out = tmp_path / "c.nc", tmp_path / "p.json"
    cubes.write(small[0].isel(run=[0]), path)
    done = phases("pool", path, "--over", "language", "--boot", 19, "--json", out)
    assert done.returncode == 0, done.stderr
    assert "Primary (nano):" in done.stdout and "Cannot be claimed: nano has 1 seed" in done.stdout
    assert json.loads(out.read_text())["settings"]["over"] == "language"
    refused(phases("pool", path, "--primary", "translation:dealy"), "expected METRIC:ESTIMAND", "did you mean 'delay'")
    refused(phases("pool", path, "--metric", "nonce_copying"), "nonce_copying")
    refused(phases("pool", path, "--metric", "copying", "--estimand", "lag"), "no lag is measured to 'copying'")
    refused(phases("pool", path, "--boot", 3), "--boot 3")
    refused(phases("pool", path, "--json", tmp_path / "none" / "x.json"), "folder does not exist")
    refused(phases("pool", tmp_path / "missing.nc"), "missing")
    few = tmp_path / "few.nc"
    cubes.write(small[0].isel(source=slice(2), target=slice(2)), few)
    refused(phases("pool", few), "2 source languages", "at least 4")
    plain = small[0].assign(score=(("run", "checkpoint"), np.zeros((2, small[0].sizes["checkpoint"]))))
    cubes.write(plain, few)
    refused(phases("pool", few, "--metric", "score"), "not split by source and target")

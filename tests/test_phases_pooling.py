"""Pooling: the jackknife and its censored form, mixed effects, seeds."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from calque.phases.pooling.imputation import Components, impute
from calque.phases.pooling.mixed_model import pool_mixed
from calque.phases.pooling.pairs import PairTimes, pool_deleted, pool_pairs
from calque.phases.pooling.seeds import (
    PooledRuns,
    bootstrap_atoms,
    cannot_be_claimed,
    majority,
    partial_conjunction,
    sign_test_floor,
)
from calque.phases.results import Outcome
from calque.phases.stats.censored import FAMILIES, fit_censored, robust_covariance
from calque.phases.stats.jackknife import jackknife_variance, satterthwaite, t_interval
from calque.phases.stats.multiplicity import benjamini_yekutieli
from tests.benchmarks.pooling_coverage import MEAN, PAIR_LAWS, censor, effects, generator

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
        (times(share=0.6)[0], Outcome.CENSORED, "of 72 pairs censored"),
        (PairTimes(np.array([0, 0, 0, 1, 2, 3]), np.array([1, 2, 3, 0, 0, 0]), np.arange(6.0), np.arange(6.0)),
         Outcome.NOT_SHARPLY_LOCATED, "without one of 1 of 4 languages"),
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
    assert (
        "1 seed" in cannot_be_claimed("micro", 1)[0]
        and "this very run (those over pairs" in cannot_be_claimed("micro", 1)[0]
    )
    assert cannot_be_claimed("micro", 6) == ()


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


def test_mixed_effects_near_a_boundary_converge():
    """Weak effects and one time at a far tail: BFGS alone gives up on some of these."""
    s, t = np.nonzero(~np.eye(9, dtype=bool))
    for key in range(8):
        rng = generator("boundary", key)
        y = 14 + 0.09 * rng.standard_normal(9)[s] + 0.1 * rng.standard_normal(9)[t] + 0.5 * rng.standard_normal(72)
        found = pool_mixed(PairTimes(s, t, y, np.where(rng.random(72) < 0.1, np.inf, y)))
        assert found.outcome == Outcome.FOUND, found.reason


def test_a_mean_that_rests_on_one_language_stands_without_an_interval():
    source, target = (np.array(v) for v in zip(*[(s, t) for s in range(4) for t in range(4) if s != t], strict=True))
    low = 3.0 + 0.1 * np.arange(12)
    known = (source == 0) | (target == 0)
    found = pool_pairs(PairTimes(source, target, low, np.where(known, low, np.inf)))
    assert found.outcome == Outcome.NOT_SHARPLY_LOCATED and found.interval is None
    assert found.reason.startswith("the pairs have a mean but no interval: without one of 1 of 4 languages")

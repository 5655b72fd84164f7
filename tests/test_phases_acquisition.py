"""Acquisition times: the regression, its errors and shares, and the command."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from calque.data import cube as cubes
from calque.phases.acquisition.model import (
    SurvivalData,
    _refit,
    choose_family,
    clustered_errors,
    explained_variation,
    shapley,
    wald_p,
    with_median,
)
from calque.phases.acquisition.regression import acquisition
from calque.phases.acquisition.settings import AcquisitionSettings
from calque.phases.results import Outcome
from calque.phases.stats.censored import fit_censored, robust_covariance
from tests.acquisition_cube import simulated
from tests.benchmarks.pooling_coverage import TRUTH, generator, items
from tests.test_phases_cli import phases, refused

INF = np.inf


@pytest.mark.parametrize(
    ("fitter", "family"), [("WeibullAFTFitter", "weibull"), ("LogLogisticAFTFitter", "loglogistic")]
)
def test_the_fit_is_that_of_lifelines(fitter, family):
    """Lifelines' own log-normal fails to converge on such intervals; its other two agree."""
    import lifelines

    made, _ = items(generator("lifelines"), family, concepts=6)
    low, high = np.exp(made.low), np.exp(made.high)
    frame = pd.DataFrame(made.x[:, 1:], columns=list("abcd")).assign(low=low, high=high)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lifelines 0.30 uses what pandas 4 will drop
        theirs = getattr(lifelines, fitter)().fit_interval_censoring(frame, "low", "high")
    ours = fit_censored(made.x, made.low, made.high, family)
    assert ours.log_likelihood == pytest.approx(theirs.log_likelihood_, abs=1e-3)
    location = theirs.params_[[i for i in theirs.params_.index if i[0] in ("lambda_", "alpha_")]]
    by_name = {name: v for (_, name), v in location.items()}
    for b, name in zip(ours.coefficients, ["Intercept", *"abcd"], strict=True):
        assert b == pytest.approx(by_name[name], abs=2e-3)


def test_explained_variation_without_censoring_is_r_squared():
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(500), rng.standard_normal((500, 2))])
    x[:, 2] += 0.6 * x[:, 1]
    y = x @ np.array([0, 1.0, 0.5]) + rng.standard_normal(500)
    zero = np.zeros(500, np.int64)
    made = SurvivalData(x, y, y, zero, zero, zero)
    fit = fit_censored(x, y, y)

    def r2(columns):
        residual = y - x[:, columns] @ np.linalg.lstsq(x[:, columns], y, rcond=None)[0]
        return 1 - residual.var() / y.var()

    assert explained_variation(x, fit) == pytest.approx(r2([0, 1, 2]))
    total, shares = shapley(made, [[1], [2]], "lognormal")
    assert shares.sum() == pytest.approx(total) == pytest.approx(r2([0, 1, 2]))
    assert shares[0] == pytest.approx((r2([0, 1]) + r2([0, 1, 2]) - r2([0, 2])) / 2)


def test_explained_variation_does_not_sink_with_censoring():
    made, truth = items(generator("explained"), "lognormal", concepts=60)
    whole = explained_variation(made.x, fit_censored(made.x, made.low, made.high))
    end = np.quantile(made.low, 0.4)
    low, high = np.minimum(made.low, end), np.where(made.high > end, INF, made.high)
    assert np.isinf(high).mean() > 0.5
    assert explained_variation(made.x, fit_censored(made.x, low, high)) == pytest.approx(whole, abs=0.05)
    assert whole == pytest.approx(truth, abs=0.12)


def test_errors_are_those_of_deleted_groups():
    made, _ = items(generator("errors"), "lognormal", concepts=10, languages=5)
    fit = fit_censored(made.x, made.low, made.high)
    none = np.zeros(5, bool)
    found = clustered_errors(made, fit, none)

    def without(keep):
        part = made.where(keep)
        return with_median(fit_censored(part.x, part.low, part.high), made.x.mean(0))

    by_concept = np.array([without(made.concept != c) for c in range(10)])
    by_language = np.array([without((made.source != v) & (made.target != v)) for v in range(5)])
    v = [(len(d) - 1) / len(d) * ((d - d.mean(0)) ** 2).sum(0) for d in (by_concept, by_language)]
    once = np.append(np.diag(robust_covariance(made.x, made.low, made.high, fit)), 0)
    expected = np.maximum(v[0] + v[1] - once, np.maximum(*v))
    np.testing.assert_allclose(np.diag(found.covariance), expected, rtol=1e-4)
    assert (found.n_concepts, found.n_languages) == (10, 5) and np.all(found.df < 13)
    alone = clustered_errors(made, fit, ~none)
    np.testing.assert_allclose(np.diag(alone.covariance), v[0], rtol=1e-4)
    assert wald_p(np.array([2.0]), np.array([[1.0]]), 10.0) == pytest.approx(0.0734, abs=1e-4)  # 2 * sf of t(10) at 2


def test_what_a_deleted_group_leaves_undetermined_has_no_error_and_spoils_nothing():
    """Two of three scripts add up to the constant once the third, the reference, is gone with its language."""
    made, _ = items(generator("levels"), "lognormal", concepts=12, languages=5)
    script = np.array([0, 1, 1, 2, 2])[made.source]
    x = np.column_stack([made.x[:, [0, 4]], script == 1, script == 2]).astype(float)
    part = SurvivalData(x, made.low, made.high, made.concept, made.source, made.target)
    fit = fit_censored(part.x, part.low, part.high)
    found = clustered_errors(part, fit, np.zeros(4, bool))
    assert list(np.isnan(np.diag(found.covariance)[:4])) == [True, False, True, True]
    alone = part.where(part.source != 0)
    overlap = fit_censored(alone.x[:, :3], alone.low, alone.high).coefficients[1]
    deleted = _refit(part, part.source != 0, fit, part.x.mean(0))
    assert deleted[1] == pytest.approx(overlap, abs=1e-6) and np.isnan(deleted[[0, 2, 3, 4]]).all()


@pytest.mark.simulation
def test_coverage_of_the_coefficients():
    inside, naive = np.zeros(4), np.zeros(4)
    n = 40
    for r in range(n):
        made, _ = items(generator("cover", r), "lognormal", concepts=12, languages=7)
        fit = fit_censored(made.x, made.low, made.high)
        errors = clustered_errors(made, fit, np.zeros(5, bool))
        off = np.abs(fit.coefficients[1:] - TRUTH)
        inside += off <= 2.2 * np.sqrt(np.diag(errors.covariance))[1:-1]
        naive += off <= 1.96 * np.sqrt(np.diag(robust_covariance(made.x, made.low, made.high, fit)))[1:]
    assert np.all(inside >= 33), inside  # .95 less three standard errors is 33.9
    assert np.all(naive[:3] <= 32), naive  # 37 or so of 40, were they independent items


def test_a_cube_of_known_truth():
    report = acquisition(simulated(), AcquisitionSettings(every_item=True))
    assert report.outcome == Outcome.FOUND and report.family in ("lognormal", "loglogistic", "weibull")
    by_name = {p.name: p for p in report.predictors}
    for name in ("overlap", "frequency"):
        assert by_name[name].outcome == Outcome.FOUND, by_name[name]
    assert by_name["part_of_speech"].outcome == Outcome.NONE
    assert sum(p.explained for p in report.predictors) == pytest.approx(report.explained)
    overlap = next(t for t in report.terms if t.predictor == "overlap")
    assert overlap.low < np.exp(-0.8) < overlap.high and overlap.p_value < 0.001
    clusters = {t.predictor: t.clusters for t in report.terms}
    assert report.n_items == 480, "many more than what the intervals rest on"
    assert clusters["overlap"] == f"{report.n_languages} languages, {report.n_concepts} concepts"
    assert clusters["frequency"] == f"{report.n_concepts} concepts"
    assert clusters["target_script"] == f"{report.n_languages} languages"
    # ru, zh and ja each stand alone for their script
    assert by_name["target_script"].outcome == Outcome.TOO_FEW_POINTS and by_name["target_script"].p_value is None
    assert report.n_interval + report.n_right + report.n_left == report.n_items == 480
    assert "% of the variation of log tokens" in report.reason and "overlap" in report.reason


def test_ratios_do_not_depend_on_the_unit_of_tokens():
    settings = AcquisitionSettings(every_item=True, covariates=("overlap", "frequency"))
    one, many = acquisition(simulated(), settings), acquisition(simulated(unit=1000.0), settings)
    assert many.median == pytest.approx(1000 * one.median, rel=1e-6)
    for a, b in zip(one.terms, many.terms, strict=True):
        assert b.time_ratio == pytest.approx(a.time_ratio, rel=1e-6) and b.p_value == pytest.approx(a.p_value, rel=1e-4)


def test_runs_are_allowed_for_and_chosen():
    cube = simulated(runs=2)
    report = acquisition(cube, AcquisitionSettings(every_item=True, covariates=("overlap",)))
    run = next(p for p in report.predictors if p.name == "run")
    assert run.of == "run" and run.p_value is None and run.p_adjusted is None
    overlap = next(p for p in report.predictors if p.name == "overlap")
    assert overlap.p_adjusted == pytest.approx(overlap.p_value)  # alone in its family
    assert "not tested" in run.reason and report.n_runs == 2
    alone = acquisition(cube, AcquisitionSettings(every_item=True, covariates=("overlap",), runs=("s1",)))
    assert alone.n_runs == 1 and [p.name for p in alone.predictors] == ["overlap"]


def test_languages_as_levels_speak_of_these_languages():
    report = acquisition(simulated(), AcquisitionSettings(every_item=True, covariates=("target", "overlap")))
    target = next(p for p in report.predictors if p.name == "target")
    assert target.p_value is not None and "these very languages" in target.reason
    assert all(t.se is not None for t in report.terms)
    assert {t.clusters for t in report.terms if t.predictor == "target"} == {f"{report.n_concepts} concepts"}


def nothing_right(cube):
    cube["translation_outcome"] = cube["translation_outcome"].where(cube["translation_outcome"] < 0, 0)


def all_right(cube):
    cube["translation_outcome"] = cube["translation_outcome"].where(cube["translation_outcome"] < 0, 1)


@pytest.mark.parametrize(
    ("change", "outcome", "word"),
    [
        (nothing_right, Outcome.NONE, "none of 480 items"),
        (all_right, Outcome.CENSORED, "from their first checkpoint on"),
    ],
)
def test_nothing_to_regress_is_an_outcome(change, outcome, word):
    cube = simulated()
    change(cube)
    report = acquisition(cube, AcquisitionSettings(every_item=True, covariates=("frequency",)))
    assert report.outcome == outcome and word in report.reason and report.terms == () and report.median is None


def test_too_little_to_regress():
    few = acquisition(simulated(concepts=2), AcquisitionSettings(every_item=True))
    assert few.outcome == Outcome.TOO_FEW_POINTS and "coefficients need" in few.reason
    concepts = acquisition(simulated(concepts=6), AcquisitionSettings(every_item=True, covariates=("overlap",)))
    assert concepts.outcome == Outcome.TOO_FEW_POINTS and "6 concepts" in concepts.reason
    plain = acquisition(simulated(), AcquisitionSettings(covariates=("overlap",)))
    assert plain.outcome == Outcome.NONE and "no covariate" in plain.reason and plain.low < plain.median < plain.high
    assert plain.left_out["overlap"] == "is none for all of these items"


def test_families_come_best_first():
    made, _ = items(generator("family"), "loglogistic", concepts=6)
    fits = list(choose_family(made).values())
    assert len(fits) == 3 and [f.aic for f in fits] == sorted(f.aic for f in fits)


def test_acquisition_command(tmp_path):
    path, out = tmp_path / "c.nc", tmp_path / "a.json"
    cubes.write(simulated(), path)
    done = phases("acquisition", path, "--items", "all", "--covariates", "overlap,frequency", "--json", out)
    assert done.returncode == 0, done.stderr
    assert "Predictors of translation" in done.stdout and "as wide as the number of clusters makes them" in " ".join(
        done.stdout.split()
    )
    found = json.loads(out.read_text())
    assert found["schema"] == 1 and found["outcome"] == "found" and len(found["terms"]) == 2
    assert found["settings"]["covariates"] == ["overlap", "frequency"] and found["settings"]["runs"] is None
    pure = phases("acquisition", path, "--json", "-", "--covariates", "script")
    assert pure.returncode == 2
    pure = phases("acquisition", path, "--json", "-", "--covariates", "overlap")
    assert json.loads(pure.stdout)["explained"] == 0.0 and json.loads(pure.stdout)["predictors"] == []
    refused(phases("acquisition", path, "--covariates", "frequenzy"), "did you mean 'frequency'")
    refused(phases("acquisition", path, "--covariates", ","), "--covariates is empty")
    refused(phases("acquisition", path, "--lasting", 0), "--lasting is 0", "1 or more")
    refused(phases("acquisition", path, "--run", "s9"), "--run has 's9'", "s0")
    refused(phases("acquisition", path, "--metric", "translation_paired"), "exposure")
    refused(phases("acquisition", path, "--level", 2), "--level is 2")
    cubes.write(simulated().drop_vars("translation_outcome"), path)
    refused(phases("acquisition", path), "no translation_outcome", "phases detect")

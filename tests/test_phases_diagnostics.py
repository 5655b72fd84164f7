"""Whether a model fits: the checks of the residuals, their combination, and what the answers make of them."""

import numpy as np
import pytest
import xarray as xr
from statsmodels.stats.diagnostic import acorr_ljungbox, het_breuschpagan

import calque
from calque.phases.diagnostics import checks
from calque.phases.diagnostics.fit_test import combined, diagnose
from calque.phases.dictionary.grid import Dictionary
from calque.phases.generators import generator
from calque.phases.results import Outcome
from calque.phases.series.axis import Axis
from calque.phases.series.trajectory import Trajectory
from calque.phases.shapes import FAMILIES
from tests import phases_simulation as sim

N, TRIALS = 100, 125
TOKENS = np.arange(1, N + 1) * sim.END / N
ONSET = sim.onset(0.1 * sim.END, 0.3)


def series(seed, change=lambda y: y, sd=0.3):
    rng = np.random.default_rng(seed)
    y = change(sim.counts(rng, ONSET(TOKENS), TRIALS, rho=0.6, sd=sd).astype(float))
    return Trajectory.of_counts(f"r{seed}", "score", TOKENS, y, TRIALS)


@pytest.fixture(scope="module")
def dictionary():
    return Dictionary(Axis.of(TOKENS))


def of(t, dictionary, boot=199):
    return diagnose(dictionary.fit(t), generator(0, t.key), boot)


def collapsed(y):
    y[60:70] = np.minimum(y[60:70], 6)
    return y


def one_wild(y):
    y[50] = 0
    return y


def averaged(y):
    return np.convolve(np.pad(y, 3, mode="edge"), np.full(7, 1 / 7), "valid")


def test_the_checks_are_those_of_statsmodels():
    z = np.random.default_rng(0).standard_normal((90, 3)) * np.linspace(0.5, 2, 90)[:, None]
    position = np.linspace(0, 1, 90) ** 1.5
    exog = np.column_stack([np.ones(90), position, position**2])
    for j in range(3):
        p = acorr_ljungbox(z[:, j] - z[:, j].mean(), lags=[checks.lags_of(90)])["lb_pvalue"].iloc[0]
        assert checks.autocorrelation(z)[j] == pytest.approx(p, rel=1e-9)
        assert checks.variance(z, position)[j] == pytest.approx(het_breuschpagan(z[:, j], exog)[1], rel=1e-9)


def test_each_check_finds_what_it_is_for_and_nothing_else():
    rng = np.random.default_rng(1)
    z = rng.standard_normal((120, 400))
    wild, position = z.copy(), np.linspace(0, 1, 120)
    wild[40] += 9
    wanted = {
        "autocorrelation": sim.ar1(rng, 120, 0.7, 1.0)[:, None],
        "variance": (rng.standard_normal(120) * np.exp(2 - 3 * position))[:, None],
        "outlier": wild[:, :1],
        "tails": wild[:, :1],
        "dispersion": 0.5 * z[:, :1],
    }
    found = dict(zip(checks.NAMES, checks.p_values(z, position, True), strict=True))
    for name, bad in wanted.items():
        p = dict(zip(checks.NAMES, checks.p_values(bad, position, True)[:, 0], strict=True))
        assert p[name] < 0.001, name
        # a robust scale and a kurtosis of 120 values are far from their limit: the bootstrap makes up for that
        most = 0.2 if name in ("outlier", "tails") else 0.09
        assert 0.01 <= np.mean(found[name] <= 0.05) <= most, name
    assert len(checks.p_values(z, position, False)) == 4, "the least variance of continuous scores is not known"


@pytest.mark.simulation
def test_the_combination_is_uniform_where_every_check_is_wrong_in_the_same_way():
    rng = np.random.default_rng(2)
    found = []
    for _ in range(300):
        u = rng.uniform(size=(4, 100)) ** np.array([[0.5], [1], [3], [6]])
        found.append(combined(u[:, 0], u[:, 1:])[0])
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


@pytest.mark.simulation
def test_a_model_that_holds_fits_and_one_that_does_not_is_told(dictionary):
    """More series, other curves and noises: docs/METHODS.md."""
    fits = [of(series(i), dictionary) for i in range(8)]
    assert sum(d.p_value <= 0.05 for d in fits) <= 2 and not any(d.misfit for d in fits)
    for change, most in ((one_wild, "outlier_p"), (collapsed, "tails_p"), (averaged, "autocorrelation_p")):
        found = [of(series(i, change), dictionary) for i in range(3)]
        assert all(d.p_value <= 0.01 for d in found) and sum(d.misfit for d in found) >= 2, change
        assert all(getattr(d, most) < 0.05 for d in found)
    assert of(series(0, one_wild), dictionary).outlier_tokens == TOKENS[50]


def test_noise_is_told_in_the_unit_of_the_metric(dictionary):
    rng = np.random.default_rng(3)
    y = ONSET(TOKENS) + 0.01 * sim.ar1(rng, N, 0.6, 1.0)
    one, other = (Trajectory.of_values("r", "x", TOKENS, unit * y, falls=False) for unit in (1.0, 1000.0))
    found = [calque.detect(cube_of(t), metric="x", boot=39).diagnostics.iloc[0] for t in (one, other)]
    assert found[1]["sd"] == pytest.approx(1000 * found[0]["sd"], rel=1e-6)
    assert found[0]["sd"] == pytest.approx(0.01, rel=0.6) and np.isnan(found[0]["dispersion_p"])


def cube_of(t):
    attrs = {"metric_kind": "count", "trials": TRIALS} if t.counts else {"metric_kind": "continuous"}
    values = t.y * TRIALS if t.counts else t.y
    return xr.Dataset(
        {"tokens": (("run", "checkpoint"), TOKENS[None]), t.metric: (("run", "checkpoint"), values[None], attrs)},
        coords={"run": [t.run]},
    )


def test_every_face_says_that_the_model_does_not_fit_and_keeps_the_date(tmp_path):
    wild, plain = (calque.detect(cube_of(series(0, change)), boot=199) for change in (one_wild, lambda y: y))
    (takeoff,) = [r for r in wild.transitions if r.estimand == "takeoff"]
    assert takeoff.outcome == Outcome.MODEL_DOES_NOT_FIT and takeoff.tokens is not None and takeoff.low is not None
    assert "the model does not fit (p = 0.005:" in takeoff.reason
    assert "model does not fit" in wild.summary(300)
    row = wild.to_dict()["diagnostics"][0]
    assert row["p_value"] < 0.01 and "residuals" not in row and row["n_items"] == TRIALS
    assert wild.diagnostics["outlier_tokens"].iloc[0] == TOKENS[50]
    assert wild.to_xarray()["diagnostics_outlier_size"].attrs["units"] == "1"
    (sound,) = [r for r in plain.transitions if r.estimand == "takeoff"]
    assert sound.outcome == Outcome.FOUND and "does not fit" not in sound.reason
    assert f"on {TRIALS} items and lasts" in sound.reason
    for found, failed in ((wild, 1), (plain, 0)):
        found.to_html(tmp_path / "r.html")
        page = (tmp_path / "r.html").read_text()
        assert f"{failed} of 1 series" in page and page.count("autocorrelation</text>") == 1


def test_families_count_by_their_excess_over_all_candidates(dictionary):
    fit = dictionary.fit(series(3))
    found = diagnose(fit, generator(0, fit.trajectory.key), 19).families
    names = [one.family for one in found]
    assert len(set(names)) == len(names) == len(set(fit.candidates.family.tolist()))
    assert sum(one.weight for one in found) == pytest.approx(1.0)
    assert [one.weight for one in found] == sorted((one.weight for one in found), reverse=True)
    assert min(one.excess for one in found) == 0.0
    by_name = {one.family: one for one in found}
    assert by_name["onset"].weight > 0.1 > by_name["loglinear"].weight  # the truth is an onset
    ranks = list(FAMILIES).index("onset")
    whole = np.exp(-0.5 * fit.excess)
    assert by_name["onset"].weight == pytest.approx(whole[fit.candidates.family == ranks].sum() / whole.sum())

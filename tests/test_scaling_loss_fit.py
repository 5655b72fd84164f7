"""Fitting loss laws: against scipy, resampling by run, profiles that refuse, the run that would sharpen."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from calque.data.errors import UserError
from calque.scaling.loss.fit import fit_loss, resamples
from calque.scaling.loss.isoflop import curve, optimum
from calque.scaling.loss.law import loss_law
from calque.scaling.loss.minimise import refine, screen
from calque.scaling.loss.next_run import next_run
from calque.scaling.loss.objective import Objective
from calque.scaling.loss.points import Points
from tests.test_scaling_loss_laws import TRUE, drawn

LAW = loss_law("chinchilla")


@pytest.mark.parametrize("kind", ["gaussian", "huber", "lad", "quantile"])
def test_objective_slopes_and_parabolas(kind: str) -> None:
    objective = Objective(kind=kind, delta=0.02, tau=0.8, smooth=0.02)  # type: ignore[arg-type]
    r = np.array([-0.5, -0.019, -0.003, 0.004, 0.018, 0.3])
    numeric = (objective.value(r + 1e-7) - objective.value(r - 1e-7)) / 2e-7
    np.testing.assert_allclose(objective.slope(r), numeric, atol=1e-7)
    _, above = objective.curvature(r)
    for other in (-1.0, -0.01, 0.0, 0.01, 1.0):  # the parabola of IRLS touches at r and lies above elsewhere
        bound = objective.value(r) + above * (other**2 - r**2) / 2
        if kind != "quantile" or other == 0:
            assert (bound >= objective.value(np.full_like(r, other)) - 1e-12).all()


def test_refinement_reaches_what_scipy_reaches() -> None:
    points = drawn("chinchilla", 0.01, 60)
    prepared, y, objective = LAW.prepare(points), np.log(points.loss), Objective()
    starts = screen(LAW, prepared, y, objective, LAW.starts(prepared, y), 16)
    ours = refine(LAW, prepared, y, objective, starts).value.min()

    def total(theta: np.ndarray) -> float:
        return float(objective.value(y - LAW.evaluate(theta[None], prepared)[0][0]).sum())

    settings = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-10, "fatol": 1e-14, "adaptive": True}
    theirs = minimize(total, np.array(TRUE["chinchilla"]), method="Nelder-Mead", options=settings).fun
    assert ours <= theirs * (1 + 1e-6)


def test_absolute_values_end_at_the_linear_programs_optimum() -> None:
    points = drawn("chinchilla", 0.01, 60)
    fitted = fit_loss(points, boot=5, objective=Objective(kind="lad"))
    fit, slopes = LAW.evaluate(fitted.theta[None], LAW.prepare(points))
    r, j = np.log(points.loss) - fit[0], slopes[0].T
    m, p = j.shape
    # Near the optimum no step of the linearised problem may gain: min sum t, |r - J s| <= t.
    both = np.block([[j, -np.eye(m)], [-j, -np.eye(m)]])
    best = linprog(np.r_[np.zeros(p), np.ones(m)], both, np.r_[r, -r], bounds=[(-0.05, 0.05)] * p + [(0, None)] * m)
    assert np.abs(r).sum() <= best.fun * (1 + 1e-4)


def test_quantile_leaves_its_share_below() -> None:
    points = drawn("chinchilla", 0.02, 200)
    for tau in (0.2, 0.8):
        fitted = fit_loss(points, boot=5, objective=Objective(kind="quantile", tau=tau))
        assert np.mean(points.loss < fitted.predict(points)[0]) == pytest.approx(tau, abs=0.03)


def test_an_outlier_moves_squares_and_not_huber() -> None:
    points = drawn("chinchilla", 0.003, 80)
    loss = points.loss.copy()
    loss[:4] *= 1.3
    wild = replace(points, loss=loss)
    at = np.array([TRUE["chinchilla"][3]])
    errors = {
        kind: abs(fit_loss(wild, boot=5, objective=Objective(kind=kind)).parameters["alpha"] - at[0])  # type: ignore[arg-type]
        for kind in ("gaussian", "huber")
    }
    assert errors["huber"] < 0.02 < errors["gaussian"]


def test_runs_are_resampled_whole() -> None:
    points = replace(drawn("chinchilla", 0.0, 12), run=np.repeat(["a", "b", "c"], 4))
    weights = resamples(points, 50, np.random.default_rng(0))
    assert weights.shape == (50, 12) and (weights.sum(1) == 12).all()
    assert (weights.reshape(50, 3, 4) == weights[:, ::4, None]).all() and len(np.unique(weights)) > 2


@pytest.mark.simulation
def test_intervals_cover_the_exponents() -> None:
    hits = 0
    for seed in range(25):
        low, high = fit_loss(drawn("chinchilla", 0.01, 100, seed), boot=200, level=0.9).intervals["alpha"]
        hits += low <= 0.34 <= high
    assert hits >= 19  # 22.5 expected at .90; fewer with probability .03


def test_a_flat_profile_refuses_and_names_the_run_that_would_help() -> None:
    rng = np.random.default_rng(3)
    d = 10 ** rng.uniform(8.0, 8.2, 20)  # tokens hardly vary: how much of the loss is E cannot be told
    n = 10 ** rng.uniform(7, 9, 20)
    loss = (1.8 + 400 * n**-0.34 + 2000 * d**-0.37) * np.exp(0.02 * rng.normal(size=20))
    points = Points(n=n, d=d, loss=loss, run=np.arange(20).astype(str))
    fitted = fit_loss(points, boot=100)
    assert fitted.outcome == "not_sharply_located" and "E" in fitted.flat
    assert "leave E open" in fitted.reason
    at = Points(n=np.array([1e9]), d=np.array([1e10]), loss=np.ones(1), run=np.array(["x"]))
    best = next_run(fitted, at)
    assert best.remaining < 1 and not 1e8 < best.d < 1.6e8  # other token counts, not more of the same
    sharp = fit_loss(drawn("chinchilla", 0.003, 120), boot=50)
    assert sharp.outcome == "found" and not sharp.flat


@pytest.mark.parametrize(
    ("rows", "words"),
    [(slice(0, 1), "^1 run; the chinchilla law has 5 parameters and needs 6"), (slice(0, 5), "^5 runs;")],
)
def test_too_few_runs_are_an_outcome(rows: slice, words: str) -> None:
    points = drawn("chinchilla", 0.0).take(np.arange(120)[rows])
    fitted = fit_loss(points)
    assert fitted.outcome == "too_few_points" and not fitted.parameters
    assert re.search(words, fitted.reason)
    same = replace(drawn("chinchilla", 0.0), n=np.full(120, 1e8))
    assert fit_loss(same).reason == "1 distinct size; the chinchilla law needs 3 at least"


def test_settings_are_checked() -> None:
    for settings, words in (
        ({"kind": "hubber"}, "did you mean 'huber'"),
        ({"delta": 0}, "`delta` is 0"),
        ({"tau": 1}, "`tau` is 1"),
    ):
        with pytest.raises(UserError, match=words):
            Objective(**settings)  # type: ignore[arg-type]


def test_isoflop_optimum_is_the_least_of_its_curve() -> None:
    p = {"E": 1.8172, "A": 482.0, "B": 2085.4, "alpha": 0.34781, "beta": 0.36585}
    n, d = optimum(p, 5.76e23)
    assert 6 * n * d == pytest.approx(5.76e23)
    around = curve(p, 5.76e23, np.array([n * 0.98, n, n * 1.02]))
    assert around[1] < around[0] and around[1] < around[2]

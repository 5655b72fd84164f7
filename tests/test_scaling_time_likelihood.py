"""Laws take the likelihood of a takeoff as it was found: its shape, its bracket and its open ends."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import norm

from calque.phases.likelihood import TakeoffLikelihood
from calque.scaling.forecast.averaging import average
from calque.scaling.laws.run_times import run_times
from calque.scaling.laws.time_likelihood import NormalParts, TimeLikelihoods
from calque.scaling.observations import Observation

EDGES = tuple(np.linspace(21.0, 22.2, 41).tolist())
MIDDLES = (np.array(EDGES[1:]) + np.array(EDGES[:-1])) / 2


def profile(
    centre: float = 21.3, sd: float = 0.1, before: float = -math.inf, after: float = -math.inf
) -> TakeoffLikelihood:  # fmt: skip
    height = np.maximum(-((MIDDLES - centre) ** 2) / 2 / sd**2, -1.92)
    return TakeoffLikelihood(
        run="a", group="", metric="acc", edges=EDGES, log_likelihood=tuple(height.tolist()), before=before, after=after,
        first=EDGES[0], last=EDGES[-1],
    )  # fmt: skip


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.4])
def test_the_sum_of_curves_is_the_integral_over_the_time(sigma: float) -> None:
    one = profile(before=-3.0, after=-1.0)
    for mu in (20.8, 21.3, 21.9, 22.6):

        def integrand(t: float, mu: float = mu) -> float:
            return float(np.exp(np.interp(t, MIDDLES, one.log_likelihood)) * norm.pdf(t, mu, sigma))

        want = quad(integrand, EDGES[0], EDGES[-1], points=[21.3], limit=200)[0]
        want += math.exp(-3.0) * norm.cdf(EDGES[0], mu, sigma) + math.exp(-1.0) * norm.sf(EDGES[-1], mu, sigma)
        got = TimeLikelihoods.of([NormalParts.profile(one)]).log_density(np.array([mu]), np.array([sigma]))[0]
        assert got == pytest.approx(math.log(want), abs=0.05)


def test_gradients_are_those_of_the_likelihood() -> None:
    parts = [
        NormalParts.profile(profile(after=-1.0)), NormalParts.located(21.5, 0.05), NormalParts.between(21.4, np.inf),
        NormalParts.between(21.2, 21.6),
    ]  # fmt: skip
    all_of_them = TimeLikelihoods.of(parts)
    mu, log_sigma = np.array([21.6, 21.4, 21.1, 21.9]), math.log(0.1)
    value, by_mu, by_log_sigma = all_of_them.gradient(mu, math.exp(log_sigma))
    np.testing.assert_allclose(value, all_of_them.log_density(mu, np.array([0.1])))
    for i in range(4):

        def at(x: np.ndarray, i: int = i) -> float:
            moved = mu.copy()
            moved[i] = x[0]
            return float(all_of_them.log_density(moved, np.array([math.exp(x[1])]))[i])

        np.testing.assert_allclose(
            approx_fprime(np.array([mu[i], log_sigma]), at, 1e-6), [by_mu[i], by_log_sigma[i]], rtol=1e-3, atol=1e-4
        )


def suite(likelihoods: bool) -> list[Observation]:
    """Five sizes that all took off between two checkpoints, near the first."""
    low, high, at = math.exp(EDGES[0]), math.exp(EDGES[-1]), math.exp(21.2)
    return [
        Observation(
            run=f"{n:g}", size=f"{n:g}", n=n, kind="located", tokens=at, low=low, high=high,
            likelihood=profile(21.2, 0.05) if likelihoods else None,
        )
        for n in (1e7, 4e7, 1.6e8, 6.4e8, 2.6e9)
    ]  # fmt: skip


def test_a_bracket_is_no_symmetric_error() -> None:
    wide = average(run_times(suite(False)), 2.6e9).moments(1e10)
    found = average(run_times(suite(True)), 2.6e9).moments(1e10)
    assert found[1] < wide[1] / 2, "the shape within the bracket is used"
    assert found[0] == pytest.approx(21.2, abs=0.06)
    assert found[0] > wide[0], "and with it the forecast is less early"


def test_a_run_that_may_never_have_taken_off_pulls_later() -> None:
    runs = suite(True)
    open_end = replace(runs[-1], likelihood=profile(21.2, 0.05, after=0.0))
    shut, opened = (average(run_times([*runs[:-1], last]), 2.6e9).moments(1e10) for last in (runs[-1], open_end))
    assert opened[0] > shut[0] and opened[1] > shut[1]


def test_larger_sizes_may_be_later() -> None:
    n = (2e7, 8e7, 3e8, 1.2e9)
    rising = [
        Observation(
            run=f"{v:g}", size=f"{v:g}", n=v, kind="located", tokens=1e9 * (v / n[0]) ** 0.1,
            low=0.98e9 * (v / n[0]) ** 0.1, high=1.02e9 * (v / n[0]) ** 0.1,
        )
        for v in n
    ]  # fmt: skip
    found = average(run_times(rising), n[-1])
    assert found.weight @ found.gamma < 0
    assert found.moments(5e9)[0] > math.log(1e9 * (n[-1] / n[0]) ** 0.1) + 0.05

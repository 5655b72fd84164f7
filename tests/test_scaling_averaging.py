"""The average of the laws: against brute-force integration, and what moves its weight."""

import math

import numpy as np
import pytest
from scipy.stats import gamma as gamma_law

from calque.data.quantities import format_count
from calque.scaling.forecast import averaging
from calque.scaling.forecast.averaging import average, mixture_distribution, shortest
from calque.scaling.forecast.next_size import next_size
from calque.scaling.laws.floor import FloorLaw
from calque.scaling.laws.likelihood import log_likelihood
from calque.scaling.laws.run_times import RunTimes, run_times
from calque.scaling.observations import Observation

N = (2e7, 6e7, 1.8e8, 5.4e8)


def runs(t0: float, sd: float = 0.02, seeds: int = 2, n: tuple[float, ...] = N) -> list[Observation]:
    rng = np.random.default_rng(3)
    made = []
    for i, value in enumerate(np.repeat(n, seeds)):
        tokens = (t0 + 5.8e14 * value**-0.6) * math.exp(sd * rng.normal())
        made.append(
            Observation(
                run=str(i), size=format_count(value), n=float(value), kind="located", tokens=tokens,
                low=tokens / 1.03, high=tokens * 1.03,
            )
        )  # fmt: skip
    return made


def late(n: float, last: float) -> Observation:
    return Observation(run="late", size=format_count(n), n=n, kind="right", low=last, outcome="censored")


def brute(data: RunTimes, reference: float, target: float) -> tuple[float, float, float]:
    """Mean and SD of ln T at the target and the floor's weight, ln A summed on a dense grid too."""
    gamma, phi, sigma, prior = averaging.prior_grid(averaging.FLOOR_PRIOR)
    middle = float(data.y[data.located & (data.n == reference)].mean())
    log_a = middle + np.linspace(-1.2, 1.2, 241)
    law, rows = FloorLaw(), []
    for at in log_a:
        theta = np.column_stack([np.full(gamma.size, at), gamma, phi])
        rows.append(prior + log_likelihood(law, theta, np.log(sigma), data, reference))
    value = np.array(rows)
    weight = np.exp(value - value.max())
    weight /= weight.sum()
    u = np.log(target / reference)
    times = log_a[:, None] + np.log(phi + (1 - phi) * np.exp(-gamma * u))
    mean = float((weight * times).sum())
    return mean, float(np.sqrt((weight * (times - mean) ** 2).sum())), float(weight[:, phi > 0].sum())


@pytest.mark.parametrize("extra", [[], [late(7e6, 8e10), late(2e7, 2.7e10)]])
def test_the_sum_over_the_grid_is_the_integral(extra: list[Observation]) -> None:
    data = run_times([*runs(2e9, 0.05), *extra])
    found = average(data, N[-1])
    mean, sd, weight = brute(data, N[-1], 1.6e9)
    got = found.moments(1.6e9)
    assert got[0] == pytest.approx(mean, abs=2e-3)
    assert got[1] == pytest.approx(sd, rel=0.02)
    assert found.floor_weight == pytest.approx(weight, abs=5e-3)


def test_the_weight_follows_the_runs() -> None:
    data = run_times(runs(8e9, 0.02, 3))
    assert average(data, N[-1]).floor_weight > 0.99
    pure = average(run_times(runs(0.0, 0.02, 3)), N[-1]).floor_weight
    assert pure < averaging.FLOOR_PRIOR
    assert average(data, N[-1], 0.0).floor_weight == 0 and average(data, N[-1], 1.0).floor_weight == pytest.approx(1)


def test_the_distribution_is_that_of_the_mixture_and_grows_with_what_is_added() -> None:
    rng = np.random.default_rng(0)
    weight, mean, sd = np.array([0.3, 0.7]), np.array([0.0, 2.0]), np.array([1.0, 0.5])
    which = rng.random(400_000) < 0.7
    drawn = np.where(which, 2.0 + 0.5 * rng.normal(size=which.size), rng.normal(size=which.size))
    values, below = mixture_distribution(weight, mean, sd)
    shares = np.array([0.05, 0.5, 0.95])
    np.testing.assert_allclose(np.interp(shares, below, values), np.quantile(drawn, shares), atol=0.02)
    found = average(run_times(runs(4e9)), N[-1])
    widths = [
        np.ptp(shortest(*found.distribution(1.6e9, new_run=new, extra_sd=extra), 0.9))
        for new, extra in ((False, 0.0), (True, 0.0), (True, 0.2))
    ]
    assert widths[0] < widths[1] < widths[2]


def test_the_shortest_interval_holds_its_level_and_is_shorter_than_equal_tails() -> None:
    values = np.linspace(0, 12, 4001)
    below = gamma_law.cdf(values, 2.0)
    low, high = shortest(values, below, 0.9)
    assert gamma_law.cdf(high, 2.0) - gamma_law.cdf(low, 2.0) == pytest.approx(0.9, abs=1e-3)
    assert gamma_law.pdf(low, 2.0) == pytest.approx(gamma_law.pdf(high, 2.0), abs=5e-3)
    assert high - low < np.ptp(gamma_law.ppf([0.05, 0.95], 2.0)) - 0.1


@pytest.mark.property
def test_units_of_tokens_do_not_matter() -> None:
    data = run_times(runs(4e9))
    scaled = RunTimes(n=data.n, located=data.located, y=data.y - 7, se=data.se, low=data.low - 7, high=data.high - 7)
    one, two = average(data, N[-1]), average(scaled, N[-1])
    assert two.moments(2e9)[0] == pytest.approx(one.moments(2e9)[0] - 7)
    assert two.floor_weight == pytest.approx(one.floor_weight)


def test_the_size_that_narrows_most_is_far_from_what_is_known() -> None:
    observations = runs(4e9, 0.05, 1)
    found = average(run_times(observations), N[-1])
    best = next_size(found, observations, 5e9)
    assert best.n > N[-1] and 0 < best.remaining < 0.9
    again = average(run_times([*observations, *runs(4e9, 0.0, 1, (best.n,))]), best.n)
    before, after = found.moments(5e9)[1], again.moments(5e9)[1]
    assert after < before * (best.remaining + 0.25)  # the promise is an expectation

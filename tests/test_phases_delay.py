"""The delay test: size on growth that is concave in tokens, power on delayed starts."""

import numpy as np
import pytest

from calque.phases.detection.fitting import delay_alone
from calque.phases.dictionary.grid import Dictionary
from calque.phases.series.axis import Axis
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.cone import generators, knots_of
from calque.phases.stats.delay import DelayTest
from tests import phases_simulation as sim

BOOT = 59


def rejections(curve, tokens, replicates, rho, sd, trials=200, seed=0):
    dictionary = Dictionary(Axis.of(tokens))
    out = []
    for r in range(replicates):
        rng = np.random.default_rng([seed, r, int(10 * rho)])
        t = Trajectory.of_counts(f"r{r}", "m", tokens, sim.counts(rng, curve(tokens), trials, rho, sd), trials)
        delay = delay_alone(t, boot=BOOT, level=0.95, seed=seed, dictionary=dictionary)
        out.append(isinstance(delay, DelayTest) and delay.p_value <= 0.05)
    return np.array(out)


@pytest.mark.simulation
@pytest.mark.parametrize(("kind", "n", "rho", "sd"), [("mixed", 45, 0.6, 0.3), ("linear", 30, 0.9, 0.3)])
def test_steady_and_saturating_growth_is_rarely_called_delayed(kind, n, rho, sd):
    tokens = sim.schedule(kind, n)
    found = np.concatenate([rejections(c, tokens, 8, rho, sd, seed=3) for c in sim.NULLS.values()])
    # 56 series at a nominal 5 %: 7 or more would be a test of size above .07 with 93 % certainty
    assert found.sum() <= 6


@pytest.mark.simulation
@pytest.mark.parametrize("name", ["sharp", "copying"])
def test_delayed_starts_are_found(name):
    curve = sim.onset(1.3e6, 0.2) if name == "sharp" else sim.logistic(3e5, 0.08, 0.8)
    assert rejections(curve, sim.schedule("mixed"), 10, 0.6, 0.3, seed=4).mean() >= 0.8


def test_cones_are_nested_and_hold_what_they_should():
    tokens = sim.schedule("mixed")
    from scipy.optimize import nnls

    def distance(curve, gamma):
        # the floor is free in sign: two columns
        one = np.ones((len(tokens), 1))
        return nnls(np.hstack([one, -one, generators(tokens, knots_of(tokens), gamma)]), curve(tokens))[1]

    for curve in sim.NULLS.values():
        assert distance(curve, 1.0) < 1e-6
    late = sim.onset(1.3e6, 0.2)
    gaps = [distance(late, g) for g in (1.0, 2.0, 3.0, 8.0)]
    assert gaps == sorted(gaps, reverse=True) and gaps[0] > 0.3
    assert np.all(generators(tokens, knots_of(tokens), 1.0)[0] == 0)

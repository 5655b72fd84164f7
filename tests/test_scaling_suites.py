"""A suite with the checkpoints of a published one: takeoffs between two checkpoints, forecasts of its largest sizes.

The long form is ``python -m tests.benchmarks.suites``.
"""

import math

import numpy as np
import pytest

from calque.data.errors import UserError
from calque.scaling.api.fit import fit
from calque.scaling.forecast.suite_rollouts import suite_rollouts
from calque.scaling.observations import Observation
from calque.scaling.takeoffs import ladder_takeoffs
from tests.suites import LAWS, METRIC, SIZES, suite

LATER = next(law for law in LAWS if law.name == "later")


@pytest.fixture(scope="module")
def made():
    return suite(LATER, 1)


@pytest.fixture(scope="module")
def takeoffs(made):
    return ladder_takeoffs(made.cube, METRIC, boot=39).observations


def test_the_likelihood_is_the_interval_and_narrower_than_its_bracket(made, takeoffs) -> None:
    assert len(takeoffs) == len(SIZES)
    narrow = []
    for o in takeoffs:
        found = o.likelihood
        assert found is not None and o.low and o.high and o.tokens
        edges, height = np.array(found.edges), np.array(found.log_likelihood)
        middles, weight = (edges[1:] + edges[:-1]) / 2, np.exp(height)
        step = edges[1] - edges[0]
        inside = (middles > math.log(o.low)) & (middles < math.log(o.high))
        assert np.all(height[inside] >= -1.93) and height.max() == pytest.approx(0, abs=1e-6)
        assert edges[0] <= math.log(o.low) + step and edges[-1] >= math.log(o.high) - step
        truth = made.crossing(o.run, 0.05)
        assert np.interp(truth, middles, height) >= -1.93
        half = middles[weight >= 0.5]
        narrow.append((half.max() - half.min()) / math.log(o.high / o.low))
    assert np.median(narrow) < 0.7, "more than a bracket is known of most"


@pytest.mark.simulation
def test_a_suite_whose_larger_sizes_are_later_is_not_forecast_early(made, takeoffs) -> None:
    truth = {o.run: math.exp(made.crossing(o.run, 0.05)) for o in takeoffs}
    found = suite_rollouts(takeoffs, most=2, takeoffs=truth)
    assert [h.left_out for h in found] == [1, 2, 2] and {h.n for h in found} == set(map(float, SIZES[-2:]))
    assert all(h.held for h in found)
    assert abs(np.mean([h.error for h in found])) < 0.1


def test_rise_reaches_the_takeoffs_and_the_report(made) -> None:
    cube = made.cube.isel(run=slice(4))
    low, high = (fit(cube, law="power", metric=METRIC, boot=19, rise=rise) for rise in (0.05, 0.2))
    for one, other in zip(low.fit.data, high.fit.data, strict=True):
        assert other.tokens > 1.2 * one.tokens
        assert math.log(other.tokens) == pytest.approx(made.crossing(other.run, 0.2), abs=0.4)
    assert high.to_dict()["rise"] == 0.2 and "20 points above the floor" in str(high.renderables()[-1])


def test_too_few_sizes_are_said() -> None:
    few = [Observation(run=f"{n}", size="s", n=n, kind="located", tokens=1e9) for n in (1e7, 1e8, 1e9, 1e10)]
    with pytest.raises(UserError, match="4 sizes have a located takeoff; expected 5 or more"):
        suite_rollouts(few)

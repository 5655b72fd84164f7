"""simulate -> calque.phases.detection.detect -> forecast, with nothing replaced."""

import math

import pytest

from calque.phases.detection.detect import detect
from calque.phases.settings import Settings
from calque.scaling.forecast.forecast import forecast
from calque.scaling.observations import observe
from calque.scaling.simulate.simulate import simulate
from calque.scaling.simulate.truth import Truth

TRUTH = Truth.model_validate(
    {
        "sizes": [{"name": f"s{i}", "n_params_non_embedding": n} for i, n in enumerate((2e7, 6e7, 1.8e8, 5.4e8))],
        "seeds": 1,
        "checkpoints": {"count": 50, "first": 1e8, "last": 2e11},
        "languages": ["en", "de", "ru", "tr"],
        "concepts": 40,
        "law": {"t0": 4e9, "c": 5.8e14, "gamma": 0.6, "seed_sd": 0.04},
        "noise": {"rho": 0.5, "sd": 0.15},
        "logprobs": "none",
    }
)


@pytest.mark.simulation
def test_detection_finds_the_true_takeoffs_and_the_forecast_the_true_law() -> None:
    simulation = simulate(TRUTH, seed=2)
    report = detect(simulation.cube, Settings(metrics=("translation",), boot=39))
    found = observe(simulation.cube, report.transitions, "translation")
    truth = simulation.takeoffs.query("metric == 'translation'").set_index("run")["tokens"]
    assert [o.kind for o in found] == ["located"] * 4
    inside = [o.low is not None and o.high is not None and o.low <= truth[o.run] <= o.high for o in found]
    assert sum(inside) >= 3  # of 4 at 95 %: fewer with probability .014
    for o in found:
        assert o.tokens and abs(math.log(o.tokens / truth[o.run])) < 0.5
    target = 1.13e9
    row = forecast(found, str(target), draws=1000).rows[1]
    assert row.law == "floor" and row.low and row.high
    assert row.low < TRUTH.law.takeoff(target) < row.high

"""End to end at the nominal rate: simulate -> phases detect -> fit and forecast, with nothing replaced.

The long form prints what docs/SCALING.md states: ``pytest -s -m slow tests/test_scaling_recovery.py``.
"""

import math
import os

import numpy as np
import pytest

from calque.phases.detection.detect import detect
from calque.phases.settings import Settings
from calque.scaling.forecast.forecast import forecast
from calque.scaling.laws.fit import fit
from calque.scaling.laws.share import fit_shares
from calque.scaling.mixes.by_language import observe_languages
from calque.scaling.observations import observe
from calque.scaling.simulate.result import truth_of
from calque.scaling.simulate.simulate import simulate
from calque.scaling.simulate.truth import Truth

TARGET = 1.13e9
SIZES = [TARGET / 3**k for k in range(5, 0, -1)]


def truth(**changes: object) -> Truth:
    base = {
        "sizes": [{"name": f"s{i}", "n_params_non_embedding": n} for i, n in enumerate(SIZES)],
        "seeds": 2,
        "checkpoints": {"count": 60, "first": 1e8, "last": 2e11},
        "languages": ["en", "de", "ru", "tr"],
        "concepts": 60,
        "law": {"t0": 4e9, "c": 5.8e14, "gamma": 0.6, "seed_sd": 0.05},
        "noise": {"rho": 0.5, "sd": 0.15},
        "logprobs": "none",
    }
    return Truth.model_validate(base | changes)


def one(seed: int) -> dict[str, bool | float]:
    """Whether parameters, forecast of a new run and true takeoffs lay inside their 90 % intervals."""
    made = simulate(truth(), seed=seed)
    report = detect(made.cube, Settings(metrics=("translation",), boot=99, level=0.9, seed=seed))
    found = observe(made.cube, report.transitions, "translation")
    fitted = fit(found, "floor", level=0.9, draws=2000, seed=seed)
    law = truth().law
    held: dict[str, bool | float] = {
        name: low <= getattr(law, name.lower()) <= high for name, (low, high) in fitted.intervals.items()
    }
    row = forecast(found, f"{TARGET}", draws=500, seed=seed).rows[2]
    assert row.low and row.high and row.tokens
    new = law.takeoff(TARGET) * math.exp(law.seed_sd * np.random.default_rng([seed, 1]).normal())
    true = made.takeoffs.query("metric == 'translation'").set_index("run")["tokens"]
    inside = [o.low <= true[o.run] <= o.high for o in found if o.low and o.high]
    return {
        **held, "forecast": row.low <= new <= row.high, "error": math.log(row.tokens / law.takeoff(TARGET)),
        "takeoffs": float(np.mean(inside)),
    }  # fmt: skip


@pytest.mark.simulation
def test_parameters_and_forecast_are_recovered() -> None:
    found = [one(seed) for seed in (2, 3)]
    held = [bool(f[name]) for f in found for name in ("T0", "c", "gamma", "forecast")]
    assert sum(held) >= 6  # of 8, dependent within a study
    assert all(abs(f["error"]) < 0.25 for f in found)


@pytest.mark.slow
@pytest.mark.simulation
def test_recovery_long() -> None:
    studies = int(os.environ.get("STUDIES", "60"))
    found = [one(seed) for seed in range(studies)]
    print()
    for name in ("T0", "c", "gamma", "forecast", "takeoffs"):
        print(f"{name}: {np.mean([f[name] for f in found]):.3f}")
    print(f"RMS error of ln T: {np.sqrt(np.mean([f['error'] ** 2 for f in found])):.3f}")
    for name in ("T0", "c", "gamma", "forecast"):
        assert np.mean([f[name] for f in found]) >= 0.8


@pytest.mark.simulation
def test_shares_are_recovered_from_a_simulated_cube() -> None:
    law = {"t0": 4e9, "c": 5.8e14, "gamma": 0.6, "seed_sd": 0.04, "eta": 0.35, "language_sd": 0.05}
    mixes = [{"name": "even"}, {"name": "skewed", "shares": {"en": 0.6, "de": 0.25}}]
    sizes = [{"name": f"s{i}", "n_params_non_embedding": n} for i, n in enumerate(SIZES[2:4])]
    made = simulate(truth(law=law, mixes=mixes, sizes=sizes, seeds=1), seed=3)
    settings = Settings(metrics=("translation",), boot=39, by=("target",))
    found = observe_languages(made.cube, detect(made.cube, settings).transitions, "translation")
    assert len(found) == 16 and {o.mix for o in found} == {"even", "skewed"}
    times = {(row["run"], row["language"]): row["tokens"] for row in truth_of(made.cube)["languages"]}
    errors = [math.log(o.tokens / times[o.run, o.language]) for o in found if o.tokens]
    assert np.sqrt(np.mean(np.square(errors))) < 0.25
    fitted = fit_shares(found)
    low, high = fitted.intervals["eta"]
    assert fitted.terms[:2] == ("size", "share") and low <= 0.35 <= high and high - low < 0.5

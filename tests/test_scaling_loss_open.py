"""Loss laws whose parameters the points leave open: profiles go far, and a prediction may still be sharp."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from calque.scaling.loss.fit import fit_loss
from calque.scaling.loss.law import loss_law
from calque.scaling.loss.points import Points, points_of
from calque.scaling.loss.prediction import describe
from calque.scaling.loss.result import LossFit

RUNS, EACH = 22, 50
TRUTH = {"E": 1.8, "A": 400.0, "alpha": 0.33, "B": float(np.exp(16.1)), "beta": 0.77}


def loss_of(n: object, d: object) -> np.ndarray:
    n, d = np.asarray(n, float), np.asarray(d, float)
    return np.asarray(TRUTH["E"] + TRUTH["A"] * n ** -TRUTH["alpha"] + TRUTH["B"] * d ** -TRUTH["beta"])


def measured(seed: int, sd: float) -> Points:
    """22 runs of 50 points each, as of Gemstones: beta .77 and B about 1e7; runs differ by ``sd`` in ln loss."""
    rng = np.random.default_rng(seed)
    n = np.repeat(np.geomspace(5e7, 2e9, RUNS)[rng.permutation(RUNS)], EACH)
    d = np.concatenate([np.geomspace(2e9, 3e11 * rng.uniform(0.3, 1), EACH) for _ in range(RUNS)])
    noise = np.repeat(rng.normal(0, sd, RUNS), EACH) + rng.normal(0, sd / 2, RUNS * EACH)
    run = np.repeat([f"r{i}" for i in range(RUNS)], EACH)
    return points_of({"n": n, "d": d, "loss": loss_of(n, d) * np.exp(noise), "run": run}, "x")


@cache
def fitted(seed: int, sd: float) -> LossFit:
    return fit_loss(measured(seed, sd), boot=100)


def target(n: float, d: float) -> Points:
    one = {"n": np.array([n]), "d": np.array([d]), "loss": np.array([1.0]), "run": np.array(["x"])}
    return points_of(one, "x")


@pytest.mark.parametrize("seed", [0, 3])
def test_an_open_parameter_leaves_a_sharp_prediction(seed: int) -> None:
    found = fitted(seed, 0.03)
    assert found.outcome == "not_sharply_located" and found.flat == ("E",)
    sentences, row = describe(found, target(1.4e9, 37e9))
    assert row is not None and row["outcome"] == "found" and "open" in sentences[0]
    assert row["low"] <= row["loss"] <= row["high"] < 1.05 * row["low"]
    assert abs(row["loss"] / float(loss_of(1.4e9, 37e9)) - 1) < 0.03  # runs differ by .03


def test_profiles_go_as_far_as_they_must() -> None:
    ends = {p.parameter: (p.low, p.high) for p in fitted(0, 0.03).profiles}
    low, high = ends["B"]
    assert low is not None and high is not None and np.log(high / low) > 2 * 6.0  # beyond one reach of 3 to each side
    assert low < TRUTH["B"] < high
    for p in fitted(0, 0.03).profiles:
        assert (np.diff(p.coordinate) >= 0).all() and len(p.coordinate) == len(p.deviance) == len(p.theta)


def test_what_is_far_from_the_points_is_not_predicted_where_it_is_open() -> None:
    _, row = describe(fitted(0, 0.03), target(1e12, 1e14))
    assert row is not None and row["outcome"] == "not_sharply_located" and row["loss"] is None


def test_the_interval_with_an_open_parameter_holds_all_likely_laws() -> None:
    found = fitted(0, 0.03)
    at = target(3e10, 1e12)
    _, low, high = found.predict(at)
    law = loss_law("chinchilla")
    for profile in found.profiles:
        likely = np.exp(law.evaluate(profile.theta[profile.deviance < 2.7], law.prepare(at))[0])
        assert low[0] <= likely.min() and likely.max() <= high[0]


def test_a_search_of_which_no_resample_settles_is_an_answer() -> None:
    found = fitted(3, 0.1)
    sentences, row = describe(found, target(1.4e9, 37e9))
    assert found.outcome == "not_converged" and row is not None and row["loss"] is None
    assert "did not settle" in sentences[-1]

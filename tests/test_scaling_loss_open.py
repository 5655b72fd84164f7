"""Loss laws whose parameters the points leave open: profiles go far, and a prediction may still be sharp."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from calque.scaling.loss.fit import _best, fit_loss
from calque.scaling.loss.law import loss_law
from calque.scaling.loss.minimise import Minimum
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


def narrow(seed: int, tokens: tuple[float, float], sizes: tuple[float, float], each: int) -> Points:
    """12 runs (or more) whose tokens or sizes span a factor of two or so."""
    rng = np.random.default_rng(seed)
    runs = 12 if each == 1 else 22
    n = np.repeat(np.geomspace(*sizes, runs)[rng.permutation(runs)], each)
    d = np.concatenate([np.sort(np.exp(rng.uniform(*np.log(tokens), each))) for _ in range(runs)])
    noise = np.repeat(rng.normal(0, 0.003, runs), each) + rng.normal(0, 0.0015, runs * each)
    loss = (1.8 + 400 * n**-0.33 + 2000 * d**-0.33) * np.exp(noise)
    return points_of({"n": n, "d": d, "loss": loss, "run": np.repeat([f"r{i}" for i in range(runs)], each)}, "x")


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (narrow(0, (0.15e12, 0.35e12), (5e7, 2e9), 1), ("B and beta apart", "150B to 312B tokens (a factor of 2.1)")),
        (narrow(0, (2e9, 3e11), (5e8, 1.2e9), 10), ("E and alpha apart", "500M to 1.2B parameters (a factor of 2.4)")),
    ],
)
def test_points_that_do_not_span_the_law_are_refused_before_resamples_and_profiles(
    points: Points, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calque.scaling.loss.fit.resamples", lambda *_: pytest.fail("resamples were drawn"))
    monkeypatch.setattr("calque.scaling.loss.fit.profiles", lambda *_, **__: pytest.fail("profiles were followed"))
    found = fit_loss(points)
    sentences, row = describe(found, target(1.4e9, 37e9))
    assert found.outcome == "not_converged" and not found.parameters
    assert all(word in sentences[0] for word in words) and "add runs outside of the narrower range" in sentences[0]
    assert row is not None and row["loss"] is row["low"] is row["high"] is None and "a run of" in sentences[1]
    assert "would sharpen" in describe(found, None)[0][1]


def test_a_range_as_narrow_that_fits_exactly_is_an_answer() -> None:
    rng = np.random.default_rng(0)
    n, d = np.geomspace(5e7, 2e9, 12)[rng.permutation(12)], rng.uniform(0.15e12, 0.35e12, 12)
    found = fit_loss(points_of({"n": n, "d": d, "loss": 1.8 + 400 * n**-0.33 + 2000 * d**-0.33}, "x"), boot=50)
    assert found.outcome == "found" and found.parameters["beta"] == pytest.approx(0.33, rel=1e-3)


def test_of_starts_that_end_alike_one_that_settled_counts() -> None:
    value = np.array([1.0 - 1e-9, 1.0, 1.5])
    ends = Minimum(theta=np.zeros((3, 5)), value=value, settled=np.array([False, True, True]))
    assert _best(ends) == 1
    assert _best(replace(ends, value=np.array([0.9, 1.0, 1.5]))) == 0

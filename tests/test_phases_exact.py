"""Series that a shape fits exactly are answered, and a series that fails does not take the others with it."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

import calque.phases.detection.group as group
from calque.data.errors import UserError
from calque.phases.classical import detect as classical
from calque.phases.detection.detect import detect
from calque.phases.results import Outcome
from calque.phases.settings import Settings

FAST = Settings(boot=59)
CURVES = {
    "power law": lambda T, x, s: 2 + 3 * (T / T[0]) ** -0.4,
    "square root": lambda T, x, s: s**0.5,
    "square": lambda T, x, s: s**2,
    "log": lambda T, x, s: np.log(T),
    "falling log": lambda T, x, s: 10 - np.log(T),
    "rounded log": lambda T, x, s: np.round(np.log(T), 2),
    "saturation": lambda T, x, s: 1 - np.exp(-5 * s),
    "decay": lambda T, x, s: np.exp(-5 * s),
    "exponential": lambda T, x, s: np.exp(3 * s),
    "logistic": lambda T, x, s: 1 / (1 + np.exp(-(x - 0.5) / 0.08)),
    "steep logistic": lambda T, x, s: 1 / (1 + np.exp(-(x - 0.5) / 0.01)),
    "probit": lambda T, x, s: norm.cdf((x - 0.5) / 0.1),
    "Gompertz": lambda T, x, s: np.exp(-np.exp(-(x - 0.4) / 0.1)),
    "linear": lambda T, x, s: s,
    "tanh": lambda T, x, s: np.tanh(3 * s),
    "corner in log tokens": lambda T, x, s: np.maximum(x - 0.5, 0),
    "corner in tokens": lambda T, x, s: np.maximum(s - 0.5, 0),
    "two-valued": lambda T, x, s: (x > 0.6) * 1.0,
    "three-valued": lambda T, x, s: np.floor(x * 2.999),
    "constant": lambda T, x, s: np.full(len(T), 0.37),
    "bump": lambda T, x, s: np.exp(-(((x - 0.5) / 0.15) ** 2)),
    "last alone": lambda T, x, s: (x == x[-1]) * 1.0,
    "first alone": lambda T, x, s: (x == x[0]) * 1.0,
    "alternating": lambda T, x, s: (np.arange(len(T)) % 2) * 1.0,
}
CONCAVE = {"power law", "square root", "log", "falling log", "saturation", "decay", "linear", "tanh"}
LATE = {"square", "exponential", "steep logistic", "corner in tokens", "two-valued", "last alone"}


def tokens_of(n):
    return np.geomspace(1e8, 2e10, n)


def exact(name, n):
    tokens = tokens_of(n)
    x = np.log(tokens / tokens[0]) / np.log(tokens[-1] / tokens[0])
    return np.asarray(CURVES[name](tokens, x, tokens / tokens[-1]), float)


def cube_of(series, kind="continuous"):
    """Return a cube of one run with a variable a series."""
    n = len(next(iter(series.values())))
    made = xr.Dataset({"tokens": (("run", "checkpoint"), tokens_of(n)[None])}, coords={"run": ["r"]})
    for name, y in series.items():
        made[name] = (("run", "checkpoint"), np.asarray(y)[None], {"metric_kind": kind})
    return made


@pytest.mark.parametrize("n", [8, 12, 40])
@pytest.mark.parametrize("name", CURVES)
def test_a_curve_without_noise_has_an_answer(name, n):
    y = exact(name, n)
    report = detect(cube_of({"score": y}), FAST)
    delay, takeoff = (report.of("r", "score", e) for e in ("delay", "takeoff"))
    assert Outcome.NOT_CONVERGED not in {t.outcome for t in report.transitions}
    if name in CONCAVE:
        assert (delay.outcome, delay.elasticity) == (Outcome.SMOOTH, None) and takeoff.tokens is not None
        assert delay.falls == (name in ("power law", "falling log", "decay"))
    if name in LATE:
        assert delay.outcome == Outcome.FOUND and takeoff.low <= takeoff.tokens <= takeoff.high
    if name == "square":
        assert delay.elasticity == 1.0  # T squared is linear in T squared
    if name == "constant":
        assert delay.outcome == takeoff.outcome == Outcome.NONE


@pytest.mark.parametrize("name", ["square root", "square", "logistic", "two-valued"])
def test_the_place_of_an_exact_rise_is_right(name):
    y = exact(name, 40)
    takeoff = detect(cube_of({"score": y}), FAST).of("r", "score", "takeoff")
    true = np.interp(y[0] + 0.05 * np.ptp(y), y, tokens_of(40))
    assert takeoff.low * 0.99 <= true <= takeoff.high * 1.01 and takeoff.high / takeoff.low < 1.5


@pytest.mark.parametrize("name", ["power law", "square root", "log", "last alone"])
def test_the_other_series_of_the_run_are_as_they_are_alone(name):
    rng = np.random.default_rng(0)
    noisy = exact("logistic", 40) + 0.02 * rng.standard_normal(40)
    alone = detect(cube_of({"noisy": noisy}), FAST)
    both = detect(cube_of({"exact": exact(name, 40), "noisy": noisy}), FAST)
    for estimand in ("takeoff", "t50", "peak"):
        assert both.of("r", "noisy", estimand) == alone.of("r", "noisy", estimand)
    assert both.of("r", "exact", "takeoff") is not None


FAILURES = [
    ValueError("zero-size array to reduction operation minimum"), np.linalg.LinAlgError("singular matrix"),
    FloatingPointError("overflow"), IndexError("index 3 is out of bounds"),
]  # fmt: skip


@pytest.mark.parametrize("error", FAILURES, ids=lambda e: type(e).__name__)
def test_a_series_that_fails_says_so_and_the_others_stand(monkeypatch, error):
    rng = np.random.default_rng(1)
    cube = cube_of({name: exact("logistic", 24) + 0.02 * rng.standard_normal(24) for name in ("one", "two")})
    before = detect(cube, FAST)
    working = group.analyse
    monkeypatch.setattr(group, "analyse", lambda t, **kw: _raise(error) if t.metric == "one" else working(t, **kw))
    report = detect(cube, FAST)
    for estimand in ("delay", "takeoff"):
        row = report.of("r", "one", estimand)
        assert row.outcome == Outcome.NOT_CONVERGED and row.p_value is None and row.tokens is None
        assert type(error).__name__ in row.reason and str(error) in row.reason
    assert report.of("r", "two", "takeoff") == before.of("r", "two", "takeoff")
    assert report.to_dict()["transitions"][0]["outcome"] == "not_converged"


@pytest.mark.parametrize("error", [TypeError("no such argument"), KeyError("metric"), UserError("`boot` is 3")])
def test_faults_of_the_program_and_of_the_user_are_not_swallowed(monkeypatch, error):
    monkeypatch.setattr(group, "analyse", lambda t, **kw: _raise(error))
    with pytest.raises(type(error), match=str(error.args[0])):
        detect(cube_of({"score": exact("logistic", 24)}), FAST)


@pytest.mark.parametrize("family", ["kink", "level", "markov", "logistic"])
def test_classical_models_are_isolated_alike(monkeypatch, family):
    failing = lambda s, common, settings: _raise(ValueError("array must not contain infs"))  # noqa: E731
    monkeypatch.setitem(classical.MODELS, family, failing)
    report = detect(cube_of({"score": exact("logistic", 24)}), Settings(family=family, boot=19))
    assert {t.outcome for t in report.transitions} == {Outcome.NOT_CONVERGED}
    assert all("must not contain infs" in t.reason for t in report.transitions)


def _raise(error):
    raise error

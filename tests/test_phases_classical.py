"""Classical models: published answers, what each finds in data of its own kind, and an outcome for every odd input."""

import json
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from calque.data import cube as cubes
from calque.data.errors import UserError
from calque.phases.classical.argmax import argmax_interval, density
from calque.phases.classical.autocorrelation import first_order
from calque.phases.classical.detect import adjusted, answer
from calque.phases.classical.growth import fit_growth
from calque.phases.classical.kink import Profile, fit_kink, line, muggeo
from calque.phases.classical.level import fit_levels, further_break, partition
from calque.phases.classical.markov import fit_switch, stretch
from calque.phases.classical.series import Series
from calque.phases.cli import main
from calque.phases.detection.detect import detect
from calque.phases.report.classical import render
from calque.phases.results import Outcome
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import FAMILIES, Settings
from tests import known_answers as known
from tests import phases_simulation as sim
from tests.phases_cube import study

MODELS = FAMILIES[1:]
TOKENS = np.linspace(1e5, 4e6, 40)
X = np.log10(TOKENS / TOKENS[-1])


def counted(successes, trials=200, tokens=TOKENS):
    return Trajectory.of_counts("a", "score", tokens, successes, trials)


def valued(values, tokens=TOKENS, **more):
    return Trajectory.of_values("a", "score", tokens, values, **more)


def series(t, scale="log", link="logit"):
    s = Series.of(t, scale, link)
    assert isinstance(s, Series), s
    return s


def only(t, family, **settings):
    (row,) = answer(t, Settings(family=family, boot=99, **settings)).rows
    return row


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def down():
    return Trajectory.of_counts("bc", "down", known.DOWN_AGE, known.DOWN_CASES, known.DOWN_BIRTHS)


@pytest.fixture(scope="module")
def nile():
    years = known.NILE_FIRST_YEAR + np.arange(100.0)
    return Trajectory.of_values("nile", "flow", years, sm.datasets.nile.load().data["volume"].to_numpy())


@pytest.mark.golden
def test_kink_of_down_syndrome_by_mothers_age(down):
    row = only(down, "kink", scale="linear", link="logit")
    assert row.outcome == Outcome.FOUND and row.p_value < 1e-6
    assert row.tokens == pytest.approx(known.DOWN_KINK, abs=0.01)
    assert 29.0 <= row.low < row.tokens < row.high <= 34.2
    assert (row.low, row.high) == pytest.approx((29.02, 34.19), abs=0.02)
    k = fit_kink(series(down, "linear"))
    years = known.DOWN_AGE[-1] / 2
    assert k.standard_error * years / np.sqrt(k.dispersion) == pytest.approx(known.DOWN_STANDARD_ERROR, abs=2e-4)
    assert np.array(k.slopes) / years == pytest.approx((-0.01341, 0.26081), abs=2e-5)
    assert k.rho == 0 and k.p_second > 0.5


@pytest.mark.golden
def test_level_of_the_nile(nile):
    row = only(nile, "level", scale="linear", link="identity")
    assert row.outcome == Outcome.FOUND and row.p_value <= 0.02
    assert (row.low, row.tokens, row.high) == known.NILE_BREAK


@pytest.mark.golden
def test_law_of_a_break_is_yaos():
    assert argmax_interval(1.0, 1.0, 0.95) == pytest.approx((11.033, 11.033), abs=0.01)
    assert argmax_interval(1.0, 1.0, 0.90) == pytest.approx((7.687, 7.687), abs=0.01)
    s = np.geomspace(1e-9, 3000, 20_000)
    assert np.trapezoid(density(s, 0.5, 2.0), s) + np.trapezoid(density(s, 2.0, 0.5), s) == pytest.approx(1, abs=1e-3)


@pytest.mark.simulation
def test_law_of_a_break_is_that_of_simulated_walks(rng):
    left, right, step, n = 1.0, 2.0, 0.05, 1200
    sides = [np.cumsum(step**0.5 * phi * rng.standard_normal((2000, n)) - step / 2, axis=1) for phi in (left, right)]
    best = [s.max(1) for s in sides]
    place = np.where(best[1] > best[0], sides[1].argmax(1), -sides[0].argmax(1)) * step
    before, after = argmax_interval(left, right, 0.8)
    assert np.mean(place > after) == pytest.approx(0.1, abs=0.03)
    assert np.mean(place < -before) == pytest.approx(0.1, abs=0.03)


@pytest.mark.simulation
def test_kink_covers_a_kink_and_keeps_a_line(rng):
    covered, rejected = [], []
    for _ in range(16):
        k = fit_kink(series(counted(sim.counts(rng, expit(-2 + 5 * np.maximum(X + 0.5, 0)), 200, 0.0, 0.2))))
        covered.append(k.low <= -0.5 <= k.high)
        rejected.append(fit_kink(series(counted(sim.counts(rng, expit(-1 + X), 200, 0.0, 0.2)))).p_value <= 0.05)
    assert np.sum(covered) >= 13 and np.sum(rejected) <= 3


def test_kink_finds_the_deepest_of_several_valleys(rng):
    x = np.linspace(0, 2, 40)
    score = np.interp(x, [0, 0.3, 1.6, 2], [0, 0.6, 0.6, 1.5]) + 0.05 * rng.standard_normal(40)
    s = series(valued(score, tokens=x + 1, falls=False), "linear", "identity")
    k = fit_kink(s)
    profile = [(np.linalg.lstsq(line(s.x, p), s.y, rcond=None)[1][0], p) for p in np.linspace(s.x[2], s.x[-3], 2000)]
    assert k.position == pytest.approx(min(profile)[1], abs=0.003)
    stuck = muggeo(Profile(s), float(s.x[3]), (float(s.x[2]), float(s.x[-3])))
    assert abs(stuck - k.position) > 0.5
    assert k.p_second < 1e-3


def test_kink_on_the_scores_own_scale_is_least_squares(rng):
    score = 1 + 3 * np.maximum(X + 0.4, 0) + 0.05 * rng.standard_normal(40)
    row = only(valued(score, falls=False), "kink", link="logit")
    assert row.low < TOKENS[-1] * 10**-0.4 < row.high and "modelled as it is" in row.reason
    flipped = only(valued(-score), "kink")
    assert flipped.tokens == pytest.approx(row.tokens)
    assert "to 3.04 per decade" in row.reason and "to -3.04 per decade" in flipped.reason


def test_autocorrelation_widens_the_interval_of_a_kink(rng):
    base = 3 * np.maximum(X + 0.4, 0)
    white = fit_kink(series(valued(base + 0.1 * rng.standard_normal(40), falls=False)))
    slow = fit_kink(series(valued(base + sim.ar1(rng, 40, 0.9, 0.1), falls=False)))
    assert white.rho == 0 and slow.rho > 0.5
    alone = slow.standard_error / np.sqrt(slow.dispersion), white.standard_error / np.sqrt(white.dispersion)
    assert alone[0] > 1.5 * alone[1]


@pytest.mark.simulation
def test_levels_keep_their_size_under_autocorrelation(rng):
    def alarms(rho):
        made = [valued(sim.ar1(rng, 200, rho, 1.0), np.arange(1.0, 201), falls=False) for _ in range(60)]
        return sum(fit_levels(series(t, "linear"), rng, boot=99).outcome == Outcome.FOUND for t in made)

    assert alarms(0.0) <= 7 and alarms(0.6) <= 9


def test_levels_of_two_steps(rng):
    mean = np.repeat([0.2, 0.5, 0.8], [60, 70, 70])
    t = counted(sim.counts(rng, mean, 200, 0.3, 0.2), tokens=np.linspace(1e5, 2e7, 200))
    rows = answer(t, Settings(family="level", boot=99)).rows
    assert [r.outcome for r in rows] == [Outcome.FOUND] * 2
    for r, last in zip(rows, (59, 129), strict=True):
        assert r.low <= t.tokens[last] <= r.high
    assert "break 2 of 2" in rows[1].reason


def test_partition_is_least_squares(rng):
    z = np.repeat([0.0, 2.0, 1.0], [20, 15, 25]) + 0.3 * rng.standard_normal(60)

    def rss(ends):
        return sum(((p - p.mean()) ** 2).sum() for p in np.split(z, ends))

    every = [(rss([i, j]), [i, j]) for i in range(5, 50) for j in range(i + 5, 56)]
    assert partition(z, 2, 5) == min(every)[1]
    gain = rss([]) - min(rss([i]) for i in range(5, 56))
    assert further_break(z[:, None], [], 5)[0] == pytest.approx(gain / (rss([]) - gain))


def test_switch_into_fast_growth(rng):
    mean = np.concatenate([np.full(60, 0.05), np.linspace(0.05, 0.9, 41)[1:], np.full(50, 0.9)])
    t = counted(rng.binomial(20_000, mean), 20_000, np.linspace(1e5, 1.5e7, 150))
    row = only(t, "markov", link="identity")
    assert row.outcome == Outcome.FOUND and row.estimand == "kink" and row.p_value is None
    assert row.low <= row.tokens <= row.high
    assert abs(np.searchsorted(t.tokens, row.tokens) - 59) <= 1
    steady = only(counted(rng.binomial(2000, np.linspace(0.1, 0.9, 40)), 2000), "markov", link="identity")
    assert steady.outcome == Outcome.NONE and "one regime" in steady.reason


def test_the_longest_stretch_counts():
    assert stretch(np.array([1, 0, 1, 1, 1, 0, 1, 1], bool)) == 2
    assert stretch(np.zeros(4, bool)) is None


@pytest.mark.parametrize("family", ["logistic", "gompertz"])
def test_growth_curves_find_their_own(family, rng):
    middle, scale = -0.5, 0.12
    z = (X - middle) / scale
    share, q = (expit(z), [-np.log(9), 0.0]) if family == "logistic" else (
        np.exp(-np.exp(-z)), [-np.log(-np.log(0.1)), -np.log(-np.log(0.5))])  # fmt: skip
    t = counted(rng.binomial(2000, 0.05 + 0.6 * share), 2000)
    rows = {r.estimand: r for r in answer(t, Settings(family=family)).rows}
    for name, at in zip(("t10", "t50"), q, strict=True):
        truth = TOKENS[-1] * 10 ** (middle + scale * at)
        assert rows[name].outcome == Outcome.FOUND
        assert rows[name].low < truth < rows[name].high and rows[name].high / rows[name].low < 1.15
    assert rows["width"].low < rows["width"].tokens < rows["width"].high
    assert rows["t10"].tokens + rows["width"].tokens == pytest.approx(rows["t50"].tokens, rel=1e-6)


def test_growth_beyond_the_run_is_censored(rng):
    t = counted(rng.binomial(2000, 0.02 + 0.9 * expit((X - 0.3) / 0.15)), 2000)
    rows = {r.estimand: r for r in answer(t, Settings(family="logistic")).rows}
    assert rows["t50"].outcome == Outcome.CENSORED and "extrapolated" in rows["t50"].reason


def test_autocorrelation_is_found_and_its_bias_undone(rng):
    index = np.arange(60)
    q = np.linalg.qr(line(index / 30, 1.0))[0]
    noise = np.stack([sim.ar1(rng, 60, 0.6, 1.0) for _ in range(400)])
    left = noise - noise @ q @ q.T
    rho = [first_order(r, index, 3, always=True) for r in left]
    raw = [(r[1:] * r[:-1]).sum() / (r**2).sum() for r in left]
    assert np.mean(rho) == pytest.approx(0.6, abs=0.025)
    assert np.mean(raw) < 0.55
    white = [first_order(rng.standard_normal(60), index, 1) for _ in range(200)]
    assert np.mean(np.array(white) > 0) < 0.1


SHORT = np.array([0, 1, 4, 9, 16, 30, 60])
ODD = {
    "seven checkpoints": (counted(SHORT, tokens=TOKENS[:7]), {Outcome.TOO_FEW_POINTS}),
    "all zero": (counted(np.zeros(40)), {Outcome.NONE}),
    "all one": (counted(np.full(40, 200.0)), {Outcome.NONE}),
    "constant": (valued(np.full(40, -3.0)), {Outcome.NONE}),
    "all missing": (valued(np.full(40, np.nan)), {Outcome.TOO_FEW_POINTS}),
    "separated": (counted(np.where(X < -0.4, 0.0, 200.0)), set(Outcome)),
    "separated, one trial": (counted(np.where(X < -0.4, 0.0, 1.0), 1), set(Outcome)),
    "no noise": (valued(np.maximum(X + 0.5, 0.0), falls=False), set(Outcome)),
    "a straight line": (valued(X.copy(), falls=False), set(Outcome)),
    "one blip": (counted(np.eye(40)[20]), set(Outcome)),
    "a floor of zeros": (counted(np.maximum(0, np.arange(40) - 25) * 4.0), set(Outcome)),
    "huge": (valued(1e12 * np.sin(X)), set(Outcome)),
    "tiny": (valued(1e-12 * (1 + np.sin(30 * X))), set(Outcome)),
    "proportion at both ends": (valued(np.linspace(0, 1, 40) ** 3, proportion=True), set(Outcome)),
    "eight checkpoints": (counted(np.r_[SHORT, 90], tokens=TOKENS[:8]), set(Outcome)),
    "tokens from 0": (counted(np.arange(40.0) * 4, tokens=np.arange(40.0) * 1e5), set(Outcome)),
}


@pytest.mark.contract
@pytest.mark.parametrize("family", MODELS)
@pytest.mark.parametrize("link", ["logit", "identity"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_input_has_an_outcome(family, link, odd):
    t, expected = ODD[odd]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = answer(t, Settings(family=family, link=link, boot=19))
    assert found.rows
    for row in found.rows:
        assert row.outcome in expected and row.reason and "nan" not in row.reason
        assert row.low is None or row.high is None or row.tokens is None or row.low <= row.tokens <= row.high
        for number in (row.tokens, row.low, row.high, row.p_value):
            assert number is None or np.isfinite(number)
        if row.outcome in (Outcome.NONE, Outcome.TOO_FEW_POINTS, Outcome.NOT_CONVERGED):
            assert row.tokens is None
    if found.fitted is not None:
        assert np.isfinite(found.fitted).all()


def test_separation_and_a_checkpoint_at_zero_are_said():
    t, _ = ODD["separated"]
    row = only(t, "kink")
    assert row.outcome == Outcome.NOT_CONVERGED and "separation" in row.reason
    row = only(ODD["tokens from 0"][0], "kink")
    assert "0 tokens" in row.reason and row.n_checkpoints == 39
    assert only(ODD["tokens from 0"][0], "kink", scale="linear").n_checkpoints == 40


@pytest.mark.property
@pytest.mark.parametrize("family", MODELS)
def test_units_of_tokens_cancel(family, rng):
    successes = rng.binomial(500, 0.05 + 0.6 * expit((X + 0.5) / 0.1))
    a, b = (answer(counted(successes, 500, TOKENS * u), Settings(family=family, boot=49)).rows for u in (1, 1000))
    for one, other in zip(a, b, strict=True):
        assert one.outcome == other.outcome
        if one.tokens is not None:
            assert other.tokens == pytest.approx(1000 * one.tokens, rel=1e-5)


def test_settings_name_the_nearest_family():
    with pytest.raises(UserError, match="did you mean 'gompertz'"):
        Settings(family="gompertzz")
    with pytest.raises(UserError, match="--link probit"):
        Settings(link="probit")


def test_adjusted_p_is_benjamini_yekutieli_over_series(down, nile):
    rows = [answer(t, Settings(family="kink", scale="linear", link="identity")).rows for t in (down, nile)]
    p = np.sort([r[0].p_value for r in rows])
    harmonic = 1.5
    expected = np.minimum(1, np.minimum.accumulate((p * 2 / np.array([1, 2]) * harmonic)[::-1])[::-1])
    assert sorted(t.p_adjusted for t in adjusted(rows)) == pytest.approx(expected)


@pytest.fixture(scope="module")
def studied():
    return study(seed=1, runs=2, languages=4, concepts=12)[0]


@pytest.mark.contract
@pytest.mark.parametrize("family", MODELS)
def test_a_report_of_each_family(family, studied, tmp_path):
    report = detect(studied, Settings(family=family, boot=19, metrics=("translation", "translation_logprob")))
    again = detect(studied, Settings(family=family, boot=19, metrics=("translation_logprob", "translation")))
    assert {(t.run, t.metric) for t in report.transitions} == {
        (r, m) for r in ("seed0", "seed1") for m in ("translation", "translation_logprob")
    }
    key = dict.fromkeys(("run", "metric", "estimand", "tokens", "low", "high", "p_value"))
    one, other = (sorted(str([getattr(t, k) for k in key]) for t in r.transitions) for r in (report, again))
    assert one == other and report.lags == ()
    report.to_json(tmp_path / "r.json")
    page = render(report)
    assert page.count("<svg") == 2 and report.transitions[0].reason[:20] in page


@pytest.mark.contract
def test_the_command_takes_family_scale_and_link(studied, tmp_path, monkeypatch, capsys):
    cube, html = tmp_path / "results.nc", tmp_path / "level.html"
    cubes.write(studied, cube)
    words = f"phases detect {cube} --family level --link identity --scale linear --boot 19 --metric translation"
    monkeypatch.setattr("sys.argv", [*words.split(), "--html", str(html), "--json", "-"])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert not ended.value.code and {t["estimand"] for t in found["transitions"]} == {"level"}
    assert found["settings"]["family"] == "level" and found["settings"]["link"] == "identity"
    assert "Model: level" in err and "Levels are assumed" in " ".join(err.split())
    assert "Levels are assumed" in html.read_text()


def test_models_answer_through_series_alone(rng):
    s = series(counted(rng.binomial(200, expit(2 * X))))
    assert fit_growth(s, "logistic", proportion=True).outcome in set(Outcome)
    assert fit_switch(s, rng).outcome in set(Outcome)

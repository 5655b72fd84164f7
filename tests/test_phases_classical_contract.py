"""Classical models: odd input has an outcome, units cancel, reports and the command."""

import json
import warnings

import numpy as np
import pytest
from scipy.special import expit

from calque.data import cube as cubes
from calque.data.errors import UserError
from calque.phases.classical.detect import answer
from calque.phases.cli import main
from calque.phases.detection.detect import detect
from calque.phases.report.classical import render
from calque.phases.results import Outcome
from calque.phases.settings import FAMILIES, Settings
from tests.classical_series import TOKENS, X, counted, only, valued
from tests.phases_cube import study

MODELS = FAMILIES[1:]
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


@pytest.fixture
def rng():
    return np.random.default_rng(0)


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
    with pytest.raises(UserError, match="`link` is 'probit'"):
        Settings(link="probit")


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

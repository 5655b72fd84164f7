"""Calibration of adaptive checkpoints: every simulated curve is given its own, by the rule that the run had."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from calque.data import cube as cubes
from calque.phases.adaptive.record import AdaptiveDesign, noise_in_tokens, with_noise_in_tokens
from calque.phases.adaptive.rule import Decision, Prior, Rule, Seen
from calque.phases.calibration.adaptive import Path as Growing
from calque.phases.calibration.adaptive import Source, _shocks, drawn
from calque.phases.calibration.curves import onset
from calque.phases.calibration.designs import template
from calque.phases.calibration.outcomes import Options
from calque.phases.calibration.simulations import Adaptive
from calque.phases.calibration.study import calibrate
from calque.phases.cli import app
from calque.phases.detection.analyse import Analysis, analyse
from calque.phases.detection.detect import detect
from calque.phases.noise.variants import RHO
from calque.phases.series.axis import Array
from calque.phases.series.metrics import trajectories
from calque.phases.settings import Settings

END, TRIALS = 1_000_000, 150
PRIOR = Prior(log10_tokens=5.35, sd=0.1)
RULE = Rule(
    planned=tuple(int(round(END * 10 ** (-2.5 + k / 9.2) / 100)) * 100 for k in range(24)), grain=100, budget=12
)
CURVE = onset(0.2, 0.2)


def score(rng: np.random.Generator, tokens: list[int]) -> list[float]:
    p = CURVE(np.array(tokens) / END)
    return list(rng.binomial(TRIALS, p) / TRIALS)


def run(seed: int = 0) -> xr.Dataset:
    """Return the cube of a run with adaptive checkpoints: ``score`` is watched, ``other`` is not."""
    rng = np.random.default_rng(seed)
    tokens: list[int] = []
    y: list[float] = []
    decisions: list[Decision] = []
    for planned in RULE.planned:
        new = [*(decisions[-1].extra if decisions else ()), planned]
        tokens += new
        y += score(rng, new)
        seen = Seen(tokens=np.array(tokens, float), score=np.array(y), trials=np.full(len(y), float(TRIALS)))
        left = RULE.budget - sum(len(one.extra) for one in decisions)
        decisions.append(RULE.decide(planned, seen, left, PRIOR))
    design = AdaptiveDesign(metric="score", rule=RULE, decisions=tuple(decisions))
    counts = {"metric_kind": "count", "trials": TRIALS}
    return xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), [np.array(tokens, float)]),
            "score": (("run", "checkpoint"), [np.round(np.array(y) * TRIALS)], counts),
            "other": (("run", "checkpoint"), [np.round(np.array(score(rng, tokens)) * TRIALS)], counts),
            "adaptive_json": ("run", [design.to_json()]),
        },
        coords={"run": ["mine"]},
    )


def sources(plain: bool = False) -> tuple[AdaptiveDesign, tuple[Source, Source]]:
    data = cubes.validate(run())
    design = AdaptiveDesign.from_json(str(data["adaptive_json"].values[0]))
    found = []
    series = trajectories(data, ("score", "other"))
    for t in series if plain else with_noise_in_tokens(series, data):
        a = analyse(t, boot=39)
        assert isinstance(a, Analysis)
        found.append(Source(template(t), a.fit.noise, a.fit.curve))
    return design, (found[0], found[1])


def shaken(weight: Array) -> Array:
    """Return a posterior of the noise that is sure of a large and lasting shift."""
    certain = np.zeros_like(weight)
    variants, _, _ = np.nonzero(weight)
    certain[variants.max(), RHO.searchsorted(0.87), 8] = 1.0
    return certain


def test_every_replicate_has_checkpoints_of_its_own_and_series_share_them() -> None:
    design, both = sources()
    rng = np.random.default_rng(0)
    made = [drawn(design, both, both[0], rng, f"mine {i}") for i in range(12)]
    assert len({t[0].tokens.tobytes() for t in made}) > 2
    for first, second in made:
        np.testing.assert_array_equal(first.tokens, second.tokens)
        assert set(RULE.planned) <= set(first.tokens)
        assert 0 < first.n - len(RULE.planned) <= RULE.budget
        assert np.all(np.diff(first.tokens) > 0)
    near = np.concatenate([np.setdiff1d(t[0].tokens, RULE.planned) for t in made])
    assert np.median(np.abs(np.log10(near / END / 0.21))) < 0.15


def test_the_metric_that_decides_may_be_none_of_those_asked_for() -> None:
    design, (watched, other) = sources()
    made = [drawn(design, (other,), watched, np.random.default_rng(i), "mine") for i in range(4)]
    assert all(len(one) == 1 and one[0].metric == "other" for one in made)
    assert all(one[0].n > len(RULE.planned) for one in made)


@pytest.mark.simulation
@pytest.mark.parametrize("plain", [True, False])
def test_replicates_have_the_curve_as_mean_and_the_noise_of_fixed_ones(plain: bool) -> None:
    """Drawn checkpoint by checkpoint, or all at once by the noise itself: the same law."""
    _, (source, _) = sources(plain)
    source = replace(source, noise=replace(source.noise, weight=shaken(source.noise.weight)))
    t = source.template
    rng = np.random.default_rng(1)
    grown = []
    for _ in range(1200):
        path = Growing(source, rng)
        for at in t.tokens:
            path.go([at], rng.standard_normal(1))
        grown.append(path.score)
    once = source.noise.draw(rng, 1200).around(source.curve).T
    one, other = np.array(grown), once
    error = np.sqrt(one.var(0) / 1200 + other.var(0) / 1200)
    assert np.all(np.abs(one.mean(0) - other.mean(0)) < 4.5 * error)
    assert np.mean(one.var(0)) == pytest.approx(np.mean(other.var(0)), rel=0.1)
    neighbours = [np.mean([np.cov(v[:, k], v[:, k + 1])[0, 1] for k in range(t.n - 1)]) for v in (one, other)]
    assert neighbours[0] == pytest.approx(neighbours[1], rel=0.06)


def test_shocks_of_a_lag_are_shared() -> None:
    design, both = sources()
    rng = np.random.default_rng(2)
    shocks = {c: np.concatenate([_shocks(rng, 2, 500, c) for _ in range(4)], axis=1) for c in (0.0, 0.6, -0.6)}
    for c, drawn_ in shocks.items():
        assert np.corrcoef(drawn_)[0, 1] == pytest.approx(c, abs=0.08)
        assert drawn_.std(1) == pytest.approx([1, 1], abs=0.06)
    assert len(drawn(design, both, both[0], rng, "mine", 0.6)) == 2


def test_calibrate_asks_the_rule_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cubes.write(run(), tmp_path / "mine.nc")
    asked = []
    decide = Rule.decide
    monkeypatch.setattr(Rule, "decide", lambda self, *given: asked.append(given[3]) or decide(self, *given))
    words = ["calibrate", str(tmp_path / "mine.nc"), "--metric", "score", "--replicates", "3", "--boot", "19",
             "--jobs", "1", "--json", "-"]  # fmt: skip
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["series"][0]
    assert found["null"]["rejected"]["n"] == found["fitted"]["coverage"]["n"] == 3
    assert "Checkpoints of mine were adaptive" in " ".join(done.stderr.split())
    assert asked == [PRIOR] * (2 * 3 * len(RULE.planned))


def test_series_at_planned_checkpoints_alone_have_a_fixed_design() -> None:
    data = cubes.validate(run())
    design = AdaptiveDesign.from_json(str(data["adaptive_json"].values[0]))
    further = [int(t) not in RULE.planned for t in data["tokens"].values[0]]
    data["other"] = data["other"].where(~np.array(further)[None])
    score_, other = trajectories(data, ("score", "other"))
    adaptive = Adaptive(design, analyse(score_, boot=39))
    assert adaptive.chose(score_) and not adaptive.chose(other)
    rows = calibrate([other], (), Options(boot=19), replicates=2, adaptive={"mine": (design, score_)})
    assert rows[0].fitted is not None


def test_noise_is_measured_in_tokens_where_checkpoints_were_adaptive() -> None:
    data = cubes.validate(run())
    plain, counted = trajectories(data, ("score",))[0], with_noise_in_tokens(trajectories(data, ("score",)), data)[0]
    assert not plain.evenly_spaced and counted.evenly_spaced
    np.testing.assert_allclose(np.diff(counted.distances[0]) / np.diff(counted.tokens), 1 / counted.spacing, rtol=1e-5)
    further = ~np.isin(plain.tokens, RULE.planned)
    gaps = np.diff(plain.tokens)
    assert counted.spacing == np.median(gaps[further[1:] | further[:-1]])
    np.testing.assert_array_equal(counted.y, plain.y)
    assert counted.index.tolist() == plain.index.tolist() and counted.index.dtype.kind == "i"
    assert not np.allclose(counted.places, counted.index)
    shorter = counted.until(5)
    np.testing.assert_allclose(shorter.distances, counted.distances[:, :6])
    fixed = with_noise_in_tokens([plain], data.drop_vars("adaptive_json"))[0]
    assert fixed is plain
    assert noise_in_tokens(plain, plain.tokens, [int(t) for t in plain.tokens]) is plain, (
        "no further checkpoint was taken"
    )


def test_detect_accounts_for_the_design(monkeypatch: pytest.MonkeyPatch) -> None:
    import calque.phases.detection.group

    judged = []
    judge = calque.phases.detection.group.analyse
    monkeypatch.setattr(
        calque.phases.detection.group, "analyse", lambda t, **more: judged.append(t) or judge(t, **more)
    )
    detect(run(), Settings(metrics=("score",), boot=19))
    assert judged and all(t.evenly_spaced for t in judged)
    judged.clear()
    detect(run().drop_vars("adaptive_json"), Settings(metrics=("score",), boot=19))
    assert judged and not any(t.evenly_spaced for t in judged)

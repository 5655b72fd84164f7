"""What a study can detect: information against brute force, the t test against simulation, designs read from files."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import ttest_ind
from typer.testing import CliRunner

from calque.data.errors import UserError
from calque.scaling.cli import app
from calque.scaling.power.attained import attained
from calque.scaling.power.design import of_cube, read_design
from calque.scaling.power.detectable import Cost, cheapest, designs, power, shift_detected
from calque.scaling.power.precision import (
    LogisticRise,
    Precision,
    Sampling,
    parameters,
    precision,
    rate,
    slopes,
    takeoff,
)

ROOT = Path(__file__).parent.parent


def brute(curve: LogisticRise, sampling: Sampling, series: int, seed: int = 0) -> Precision:
    """SDs of maximum likelihood over simulated series: Fisher scoring of binomial counts, batched."""
    rng = np.random.default_rng(seed)
    x, true, n = sampling.places(), parameters(curve), sampling.concepts
    counts = rng.binomial(n, rate(true, x), (series, x.size)) / n
    found = []
    for y in counts:
        theta = true.copy()
        for _ in range(60):
            p = np.clip(rate(theta, x), 1e-5, 1 - 1e-5)
            j = slopes(theta, x)
            weight = n / (p * (1 - p))
            step = np.linalg.solve((j * weight) @ j.T + 1e-6 * np.eye(4), j @ (weight * (y - p)))
            theta = theta + np.clip(step, -0.2, 0.2)
            theta[2] = np.clip(theta[2], 1e-4, 0.3)
            if np.abs(step).max() < 1e-7:
                break
        found.append((theta[0], takeoff(theta, curve.rise)[0]))
    t50, at = np.std(found, axis=0)
    return Precision(t50=float(t50), takeoff=float(at))


@pytest.mark.simulation
@pytest.mark.parametrize(("size", "t50"), [(200, 0.0125), (50, 0.0509)])
def test_what_the_table_says_is_what_brute_force_finds(size: int, t50: float) -> None:
    sampling = Sampling(checkpoints=size, concepts=size)
    said = attained(LogisticRise(), sampling)
    assert said.t50 == pytest.approx(t50, rel=0.01)
    series = 400
    seen = brute(LogisticRise(), sampling, series)
    error = 1 / math.sqrt(2 * series)  # of a log SD
    assert abs(math.log(seen.t50 / said.t50)) < 3.5 * error
    assert abs(math.log(seen.takeoff / said.takeoff)) < 3.5 * error


def test_few_counts_attain_less_than_the_limit_and_many_attain_it() -> None:
    few, many = Sampling(checkpoints=30, concepts=30), Sampling(checkpoints=200, concepts=1000)
    assert attained(LogisticRise(), few).takeoff > 1.05 * precision(LogisticRise(), few).takeoff
    assert attained(LogisticRise(), many).takeoff == pytest.approx(precision(LogisticRise(), many).takeoff, rel=0.01)
    quiet, loud = (Sampling(checkpoints=50, concepts=200, level_sd=sd, rho=0.6) for sd in (1e-3, 0.3))
    plain = attained(LogisticRise(), Sampling(checkpoints=50, concepts=200))
    assert attained(LogisticRise(), quiet).t50 == pytest.approx(plain.t50, rel=0.02)
    assert attained(LogisticRise(), loud).t50 > 1.5 * plain.t50


def test_a_design_that_hardly_sees_the_rise_has_a_large_but_finite_sd() -> None:
    found = attained(LogisticRise(), Sampling(checkpoints=20, concepts=20))
    assert 0.2 < found.takeoff < 2


def test_slopes_are_derivatives() -> None:
    theta, x = parameters(LogisticRise()), np.linspace(-3, 0, 7)
    for i in range(4):
        e = np.eye(4)[i] * 1e-6
        numeric = (rate(theta + e, x) - rate(theta - e, x)) / 2e-6
        np.testing.assert_allclose(slopes(theta, x)[i], numeric, atol=1e-7)
        moved = (takeoff(theta + e, 0.05)[0] - takeoff(theta - e, 0.05)[0]) / 2e-6
        assert takeoff(theta, 0.05)[1][i] == pytest.approx(moved, rel=1e-5)
    at = takeoff(theta, 0.05)[0]
    assert float(rate(theta, np.array([at]))[0]) == pytest.approx(0.01 + 0.05)


def test_more_checkpoints_items_and_quieter_levels_help() -> None:
    def base(**more: float) -> float:
        return precision(LogisticRise(), Sampling(**{"checkpoints": 100, "concepts": 100, **more})).takeoff  # type: ignore[arg-type]

    assert base(checkpoints=200) < base() and base(concepts=200) < base()
    assert base(level_sd=0.3) > base() and base(level_sd=0.3, rho=0.8) != base(level_sd=0.3)
    assert base(spacing="log", first=0.01) != base()  # type: ignore[arg-type]


@pytest.mark.simulation
def test_power_is_that_of_simulated_tests() -> None:
    rng = np.random.default_rng(0)
    for seeds, shift in ((3, 0.3), (6, 0.12)):
        a = 0.08 * rng.normal(size=(4000, seeds))
        b = shift + 0.08 * rng.normal(size=(4000, seeds))
        seen = float(np.mean(ttest_ind(a, b, axis=1).pvalue < 0.05))
        assert seen == pytest.approx(power(shift, 0.08, seeds), abs=0.025)
    assert power(0.0, 0.08, 5) == pytest.approx(0.05) and power(1.0, 0.08, 1) == 0
    assert power(shift_detected(0.08, 4), 0.08, 4) == pytest.approx(0.8)


@pytest.mark.parametrize("level", [0.983, 0.99, 0.999])
@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_a_strict_level_has_a_shift_that_is_detected(seeds: int, level: float) -> None:
    """As of several contrasts together; the sum of two tails of the noncentral t was NaN here."""
    assert power(shift_detected(0.08, seeds, level=level), 0.08, seeds, level) == pytest.approx(0.8)
    assert shift_detected(0.08, 1) == math.inf


def test_the_cheapest_design_is_cheapest() -> None:
    found = designs(
        LogisticRise(),
        Sampling(),
        Cost(n=1e9, d=2e10),
        seeds=(2, 3, 5, 8),
        checkpoints=(50, 200),
        concepts=(50, 200),
        seed_sd=0.06,
    )
    best = cheapest(found, 1.2)
    assert best is not None and best.factor <= 1.2
    assert all(f.flops >= best.flops for f in found if f.factor <= 1.2)
    assert cheapest(found, 1.0001) is None
    assert {f.seeds: f.randomisation for f in found} == {2: False, 3: False, 5: True, 8: True}
    assert Cost(n=1e9, d=2e10).flops(3, 0, 0) == 2 * 3 * 6 * 1e9 * 2e10


def test_a_cube_of_several_corpora_is_read_by_the_largest_runs_that_are_alike() -> None:
    words, pairs = {"world": 3, "sample": 5}, 2 * 1
    runs = [("a-s0", "world"), ("a-s1", "world"), ("b", "sample")]
    outcome = np.full((3, 8, 2, 2, 8), -1, np.int8)
    for i, (_, corpus) in enumerate(runs):
        part = slice(0, 3) if corpus == "world" else slice(3, 8)
        outcome[i, : 6 if corpus == "world" else 8, :, :, part] = 1
    tokens = np.arange(1.0, 9) * 1e6 * np.ones((3, 1))
    tokens[:2, 6:] = np.nan
    cube = xr.Dataset(
        {
            "translation_outcome": (("run", "checkpoint", "source", "target", "concept"), outcome),
            "tokens": (("run", "checkpoint"), tokens),
        },
        coords={
            "run": [name for name, _ in runs], "corpus": ("run", [corpus for _, corpus in runs]),
            "size": ("run", ["micro"] * 3), "mix": ("run", ["uniform"] * 3), "n_params": ("run", [9, 9, 11]),
            "n_params_non_embedding": ("run", [5, 5, 5]),
        },
    )  # fmt: skip
    found = of_cube(cube)
    assert (found.seeds, found.mixes, found.checkpoints, found.concepts) == (2, 1, 6, words["world"])
    assert (found.pairs, found.n, found.d) == (pairs, 9, 6e6)


def test_designs_are_read_from_truths_plans_studies(tmp_path: Path) -> None:
    truth = read_design(str(ROOT / "docs/examples/truth.yaml"))
    assert (truth.seeds, truth.checkpoints, truth.concepts, truth.pairs, truth.n) == (3, 80, 60, 12, 5.4e8)
    plan = tmp_path / "plan.json"
    run = {"size": "b", "mix": "uniform", "n_params": 9, "tokens": 5, "flops": 270.0, "checkpoints": 7}
    small = {**run, "size": "a", "flops": 1.0}
    plan.write_text(json.dumps({"runs": [run, {**run, "mix": "skewed"}, run, small], "total": {}}))
    got = read_design(str(plan))
    assert (got.seeds, got.mixes, got.checkpoints, got.n, got.d) == (2, 2, 7, 9, 5)
    study = read_design(str(ROOT / "sweeps/quick.yaml"))
    assert study.seeds == 3 and study.checkpoints is None
    for text, words in (("a: 1", "describes no study"), ("a: [", "neither YAML nor JSON")):
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(UserError, match=words):
            read_design(str(tmp_path / "x.yaml"))


def test_the_command_answers_and_refuses(tmp_path: Path) -> None:
    def call(*words: str):  # type: ignore[no-untyped-def]
        return CliRunner().invoke(app, ["power", *words])

    file = tmp_path / "p.json"
    done = call(str(ROOT / "docs/examples/truth.yaml"), "--target", "1.3", "--json", str(file))
    assert done.exit_code == 0 and "Cheapest for a ratio of 1.3" in done.output
    report = json.loads(file.read_text())
    assert report["cheapest"]["factor"] <= 1.3 and len(report["rows"]) > 20
    for words, message in (
        (["sweeps/quick.yaml"], "state --checkpoints and --concepts"),
        ([str(ROOT / "docs/examples/truth.yaml"), "--target", "0.9"], "--target is 0.9"),
        ([str(ROOT / "docs/examples/truth.yaml"), "--end", "0.03"], "--floor is 0.01 and --end is 0.03"),
        (["absent.yaml"], "cannot read absent.yaml"),
    ):
        wrong = call(*words)
        assert isinstance(wrong.exception, UserError) and message in str(wrong.exception)

"""Pooling a cube: times and lags of a report, tests of sizes, the whole run, the command."""

import json
import math

import numpy as np
import pytest

from calque.data import cube as cubes
from calque.data.errors import UserError
from calque.phases.pooling.pairs import pool_pairs
from calque.phases.pooling.pool import PoolSettings, pool
from calque.phases.pooling.questions import Question, parse
from calque.phases.pooling.rows import Condition, size_rows
from calque.phases.pooling.tests import size_tests, sizes_out_of_reach
from calque.phases.pooling.times import lag_ends, pairs_by_group, takeoff_ends
from calque.phases.results import DetectionReport, Lag, Outcome, Transition
from tests.phases_cube import study
from tests.test_phases_cli import phases, refused
from tests.test_phases_pooling import times

pytestmark = pytest.mark.filterwarnings("error")


def row(outcome, tokens=None, low=None, high=None, run="a", group="", p=0.01, estimand="takeoff", metric="m"):
    return Transition(
        run=run, group=group, metric=metric, estimand=estimand, outcome=outcome, reason="", tokens=tokens, low=low,
        high=high, level=0.95, p_value=p, n_checkpoints=20,
    )  # fmt: skip


def test_takeoffs_become_exact_censored_or_missing():
    last = 100.0
    exact = (math.log(50), math.log(50))
    assert takeoff_ends(row(Outcome.FOUND, 50.0, 40.0, 60.0), last) == exact
    assert takeoff_ends(row(Outcome.NOT_SHARPLY_LOCATED, 50.0, 2.0, 90.0), last) == exact
    assert takeoff_ends(row(Outcome.NONE), last) == (math.log(100), math.inf)
    assert takeoff_ends(row(Outcome.CENSORED, 50.0, 30.0, None), last) == (math.log(30), math.inf)
    assert takeoff_ends(row(Outcome.CENSORED, None, None, 5.0), last) == (-math.inf, math.log(5))
    assert takeoff_ends(row(Outcome.TOO_FEW_POINTS), last) is None


def lag_row(outcome, log_ratio=None, low=None, high=None):
    return Lag(run="a", group="", first="copying", second="translation", log_ratio=log_ratio, low=low, high=high,
               level=0.95, outcome=outcome, reason="")  # fmt: skip


def test_lags_become_exact_censored_or_missing():
    copying = row(Outcome.FOUND, 20.0, 10.0, 30.0)
    assert lag_ends(lag_row(Outcome.FOUND, 1.0, 0.5, 1.5), copying, 100.0) == (1.0, 1.0)
    assert lag_ends(lag_row(Outcome.CENSORED, 1.0, 0.5, None), copying, 100.0) == (0.5, math.inf)
    assert lag_ends(lag_row(Outcome.CENSORED, 1.0, None, 1.5), copying, 100.0) == (-math.inf, 1.5)
    assert lag_ends(lag_row(Outcome.NONE), copying, 100.0) == (pytest.approx(math.log(5)), math.inf)
    assert lag_ends(lag_row(Outcome.NONE), None, 100.0) is None


def detection(p_values, outcome=Outcome.FOUND, metric="translation"):
    rows = [row(outcome, run=f"r{i}", p=p, estimand="delay", metric=metric) for i, p in enumerate(p_values)]
    return DetectionReport(cube="c", settings={}, transitions=tuple(rows), lags=())


def designs(n, size="nano", mix="even"):
    return [Condition(f"r{i}", size, None, mix) for i in range(n)]


def test_one_primary_a_size_is_left_alone_and_others_are_adjusted():
    q, other, third = Question("translation", "delay"), Question("copying", "delay"), Question("x", "delay")
    rows = (*detection([0.02, 0.01, 0.5]).transitions, *detection([0.02, 0.01, 0.02], metric="copying").transitions,
            *detection([0.02, 0.001, 0.5], metric="x").transitions)  # fmt: skip
    whole = DetectionReport(cube="c", settings={}, transitions=rows, lags=())
    first, second, last = size_tests(designs(3), [q, other, third], q, whole, {}, 0.95)
    assert (first.role, first.outcome, first.p_value, first.p_adjusted) == ("primary", Outcome.FOUND, 0.04, None)
    assert first.at_least == 2 and "at least 2 of 3 runs" in first.reason
    assert second.role == "secondary" and second.p_adjusted == pytest.approx(0.04 * 1.5)
    assert second.outcome == Outcome.NONE  # found alone, not after adjusting
    sizes = [*designs(1), Condition("r1", "micro", None, "even")]
    assert [t.size for t in size_tests(sizes, [q], q, whole, {}, 0.95)] == ["nano", "micro"]


def test_runs_without_a_rise_or_without_a_test_count_against_the_size():
    q = Question("translation", "delay")
    flat = size_tests(designs(2), [q], q, detection([0.001, 0.001], Outcome.NONE), {}, 0.95)[0]
    assert flat.outcome == Outcome.NONE and flat.p_value == 1.0
    silent = size_tests(designs(3), [q], q, detection([0.001]), {}, 0.95)[0]
    assert silent.p_value == 1.0 and "2 of 3 runs cannot be tested" in silent.reason
    nothing = size_tests(designs(1), [q], q, DetectionReport(cube="", settings={}, transitions=(), lags=()), {}, 0.95)
    assert nothing[0].outcome == Outcome.TOO_FEW_POINTS and nothing[0].p_value is None
    labelled = size_tests(designs(2), [q], q, detection([0.001, 0.001], Outcome.METRIC_DEPENDENT), {}, 0.95)[0]
    assert labelled.outcome == Outcome.METRIC_DEPENDENT


def test_replicates_too_few_for_so_many_runs_are_said():
    q = Question("translation", "delay")
    tests = size_tests(designs(6), [q], q, detection([0.05] * 6), {}, 0.95)
    assert tests[0].p_value == pytest.approx(0.15)
    assert "cannot fall below p = 0.15: raise `boot` to 59" in sizes_out_of_reach(tests, 19, 0.95)[0]
    assert sizes_out_of_reach(tests, 59, 0.95) == ()


def test_sizes_are_means_over_mixes_and_a_lost_run_is_not_dropped():
    q = Question("translation", "takeoff")
    pooled = {f"r{i}": (pool_pairs(times(shift=0.1 * i)[0]), tuple("abcdefghi")) for i in range(4)}
    runs = [*designs(2), Condition("r2", "nano", None, "skewed"), Condition("r3", "nano", None, "skewed")]
    rows = size_rows(runs, q, pooled, 0.95)
    assert [(r.at, r.mix, r.method) for r in rows if r.method == "seed_t"] == [
        ("mix", "even", "seed_t"), ("mix", "skewed", "seed_t"), ("size", None, "seed_t")
    ]  # fmt: skip
    by_mix = {r.mix: r.estimate for r in rows if r.method == "seed_t"}
    assert math.log(by_mix[None]) == pytest.approx((math.log(by_mix["even"]) + math.log(by_mix["skewed"])) / 2)
    lost = pooled | {"r1": (pool_pairs(times(share=0.6)[0]), tuple("abcdefghi"))}
    said = size_rows(designs(2), q, lost, 0.95)
    assert (
        len(said) == 1 and said[0].outcome == Outcome.CENSORED and said[0].estimate is None and "r1" in said[0].reason
    )
    other = pooled | {"r1": (pooled["r1"][0], tuple("abcdefghj"))}
    languages = size_rows(designs(2), q, other, 0.95)[0]
    assert languages.estimate is None and "differ in their languages" in languages.reason


def test_questions_are_read():
    assert parse("translation:delay") == Question("translation", "delay")
    assert parse("translation:lag") == parse("copying>translation:lag") == Question("translation", "lag", "copying")
    assert str(parse("false_copying>translation:lag")) == "false_copying>translation:lag"
    for text in ("translation", "translation:dealy", ":delay", "copying>translation:delay", "x>translation:lag",
                 "copying:lag"):  # fmt: skip
        with pytest.raises(UserError):
            parse(text)


@pytest.fixture(scope="module")
def small():
    """Two runs, four languages, few checkpoints: detection by pair stays quick."""
    made, truth = study(seed=3, runs=2, languages=4, concepts=24, n=24)
    return made, truth


@pytest.fixture(scope="module")
def report(small):
    return pool(small[0], PoolSettings(boot=19))


def test_a_cube_is_pooled_from_pairs_to_seeds(small, report):
    made, truth = small
    runs = [r for r in report.pooled if r.at == "run" and r.method == "jackknife_t" and r.estimand == "takeoff"]
    assert [r.run for r in runs] == ["seed0", "seed1"]
    for r in runs:
        assert r.n_pairs + r.n_missing == 12 and r.n_languages == 4
        if r.estimate is not None:
            assert r.low < r.estimate < r.high and r.df == 3
            assert abs(math.log(r.estimate / truth["translation"])) < 0.5
    assert len(report.pairs) == 24 and {p.role for p in report.pairs} == {"exploratory"}
    primary = [t for t in report.tests if t.role == "primary"]
    assert len(primary) == 1 and primary[0].size == "nano" and primary[0].p_adjusted is None
    assert any("2 seeds" in s for s in report.cannot_be_claimed)
    assert set(pairs_by_group(made)) >= {"source=en target=de"} and "source=en target=en" not in pairs_by_group(made)


def test_pool_json_has_null_for_what_is_absent(report):
    text = json.dumps(report.to_dict(), allow_nan=False)
    found = json.loads(text)
    assert found["schema"] == 1 and found["primary"] == "translation:delay"
    assert {p["outcome"] for p in found["pooled"]} <= {o.value for o in Outcome}
    seed_rows = [p for p in found["pooled"] if p["method"] == "seed_t" and p["at"] == "size"]
    assert seed_rows and seed_rows[0]["run"] is None and seed_rows[0]["mix"] is None


def test_lags_are_pooled_as_ratios_of_the_same_run(small, monkeypatch):
    """Detection stands in for itself with ratios of 2, 4 and one pair where translation never takes off."""
    made = small[0].isel(run=[0])
    names, last = list(made["source"].values), float(made["tokens"].max())

    def given(cube, settings, progress=None, name="", jobs=1, adjust=True):
        rows, lags = [], []
        groups = [""] if settings.by == ("run",) else [f"source={s} target={t}" for s in names for t in names if s != t]
        for i, g in enumerate(groups):
            for m in settings.metrics:
                rows += [
                    row(Outcome.FOUND, 1e5, 9e4, 2e5, "seed0", g, estimand=e, metric=m) for e in ("delay", "takeoff")
                ]
            for first, ratio in (("copying", 2.0), ("false_copying", 4.0)):
                here = i > 0 or first == "copying"
                lags.append(Lag(run="seed0", group=g, first=first, second="translation", level=0.95, reason="",
                                log_ratio=math.log(ratio) + 0.01 * (i % 3) if here else None,
                                outcome=Outcome.FOUND if here else Outcome.NONE))  # fmt: skip
        return DetectionReport(cube="", settings={}, transitions=tuple(rows), lags=tuple(lags))

    monkeypatch.setattr("calque.phases.pooling.pool.detect", given)
    asked = PoolSettings(estimands=("lag",), primary=parse("false_copying>translation:lag"))
    found = pool(made, asked)
    by_first = {r.first: r for r in found.pooled if r.at == "run" and r.method == "jackknife_t"}
    assert by_first["copying"].estimate == pytest.approx(2.02, abs=0.01) and by_first["copying"].n_censored == 0
    assert by_first["copying"].unit == "ratio" and by_first["copying"].p_value < 1e-4
    assert by_first["false_copying"].n_censored == 1 and by_first["false_copying"].estimate > 4
    assert last / 1e5 > 4
    primary = next(t for t in found.tests if t.role == "primary")
    assert (primary.first, primary.estimand, primary.outcome) == ("false_copying", "lag", Outcome.FOUND)
    assert not [r for r in found.pooled if r.estimand == "takeoff"]


def test_over_languages_locates_the_run_without_each(small):
    made, truth = small
    found = pool(made.isel(run=[0]), PoolSettings(boot=19, over="language"))
    (run,) = (r for r in found.pooled if r.at == "run")
    assert run.outcome == Outcome.FOUND and run.df == 3 and run.n_pairs is None and not found.pairs
    assert run.low < truth["translation"] < run.high


def test_pool_command(small, tmp_path, monkeypatch):
    path, out = tmp_path / "c.nc", tmp_path / "p.json"
    cubes.write(small[0].isel(run=[0]), path)
    done = phases("pool", path, "--over", "language", "--boot", 19, "--json", out)
    assert done.returncode == 0, done.stderr
    assert "Primary (nano):" in done.stdout and "Cannot be claimed: nano has 1 seed" in done.stdout
    assert json.loads(out.read_text())["settings"]["over"] == "language"
    refused(phases("pool", path, "--primary", "translation:dealy"), "expected METRIC:ESTIMAND", "did you mean 'delay'")
    refused(phases("pool", path, "--metric", "nonce_copying"), "nonce_copying")
    refused(phases("pool", path, "--metric", "copying", "--estimand", "lag"), "no lag is measured to 'copying'")
    refused(phases("pool", path, "--boot", 3), "--boot is 3")
    refused(phases("pool", path, "--json", tmp_path / "none" / "x.json"), "folder does not exist")
    refused(phases("pool", tmp_path / "missing.nc"), "missing")
    few = tmp_path / "few.nc"
    cubes.write(small[0].isel(source=slice(2), target=slice(2)), few)
    refused(phases("pool", few), "2 source languages", "at least 4")
    plain = small[0].assign(score=(("run", "checkpoint"), np.zeros((2, small[0].sizes["checkpoint"]))))
    cubes.write(plain, few)
    refused(phases("pool", few, "--metric", "score", "--over", "pair"), "not split by source and target", "--over seed")
    seeds = phases("pool", few, "--metric", "score", "--boot", 19)
    assert seeds.returncode == 0 and "runs are the replicates (--over seed)" in seeds.stdout

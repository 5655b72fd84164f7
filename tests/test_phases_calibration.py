"""Calibration: simulators have the stated mean, spread and truth; figures; resuming; a study's nulls; short cells."""

import io
import json
import math
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace

import numpy as np
import pytest

from calque.data import cube as cubes
from calque.phases.calibration import designs, run, sources, store, tables
from calque.phases.calibration.cells import LAG, STANDARD, Target, chosen
from calque.phases.calibration.curves import CONCAVE, CURVES, later, truth
from calque.phases.calibration.draws import NoiseSpec, ar1, clustered_items, counts, schedule, series, shared_shifts
from calque.phases.calibration.grids import BEGIN, END
from calque.phases.calibration.outcomes import Figure, Options, Truth, columns, figures, median, share
from calque.phases.calibration.store import Block, Store
from calque.phases.calibration.study import calibrate
from calque.phases.cli import main
from calque.phases.series.clusters import design_effect
from tests.phases_cube import study

UNIFORM = np.linspace(1 / 200, 1, 200)


def cell(name):
    return chosen("standard", [name])[0]


# ------------------------------------------------------------------ curves


@pytest.mark.parametrize("curve", CURVES.values(), ids=list(CURVES))
def test_elasticity_is_the_steepest_curvature(curve):
    x = np.linspace(math.log(1e-4), 0.0, 4001)
    slope = np.diff(curve.score(np.exp(x))) / np.diff(x)
    usable = (slope[1:] > 1e-6) & (slope[:-1] > 1e-6)
    steepest = (np.diff(np.log(np.maximum(slope, 1e-300))) / np.diff(x)[1:])[usable].max(initial=0.0)
    if math.isinf(curve.elasticity):
        # a corner ends in one step of the grid; the normal cumulative steepens without end; a step has no slope
        assert steepest > 8 or curve.name == "step"
    else:
        assert steepest == pytest.approx(curve.elasticity, rel=0.035)
    assert curve.delayed == (curve not in CONCAVE)


@pytest.mark.parametrize("curve", CONCAVE, ids=[curve.name for curve in CONCAVE])
def test_concave_curves_are_concave_and_scores_are_proportions(curve):
    s = np.linspace(1e-4, 1, 5001)
    assert np.all(np.diff(curve.score(s), 2) <= 1e-12) and np.all(np.diff(curve.score(s)) >= 0)
    assert curve.score(s).min() >= 0 and curve.score(s).max() <= 1


def test_truth_of_a_corner_a_step_and_a_constant():
    sharp = truth(CURVES["sharp"], UNIFORM)
    assert sharp.takeoff == pytest.approx(math.log10(0.3) - 0.2 * math.log(1 - 0.1), abs=1e-4)
    top = 1 - math.exp(math.log10(0.3) / 0.2)
    assert sharp.t50 == pytest.approx(math.log10(0.3) - 0.2 * math.log(1 - top / 2), abs=1e-4)
    step = truth(CURVES["step"], UNIFORM)
    assert step.takeoff == step.t50 == pytest.approx(math.log10(0.3012), abs=1e-4)
    assert np.isinf(truth(CURVES["flat"], UNIFORM).takeoff)
    assert truth(CURVES["linear"], UNIFORM).takeoff == pytest.approx(math.log10(0.1 + 1 / 200), abs=1e-4)


def test_cells_of_lags_are_apart_by_what_they_say():
    for c in STANDARD:
        if c.ask == "lag":
            apart = run.cell_truth(c, 0.05).lag / math.log(10)
            assert apart == pytest.approx(LAG if "/power/" in c.name else 0.0, abs=1e-4), c.name
    assert len({c.name for c in STANDARD}) == len(STANDARD) == len({c.digest for c in STANDARD})


# ------------------------------------------------------------------ noise


@pytest.mark.simulation
def test_shift_has_its_spread_and_autocorrelation_from_the_first_checkpoint_on():
    rng = np.random.default_rng(1)
    u = np.array([ar1(rng, 30, 0.8, 0.5) for _ in range(4000)])
    # sd of a standard deviation from 4000 draws: 1.1 %; of a correlation .8: .006
    assert u.std(0) == pytest.approx(0.5, rel=0.05)
    for lag in (1, 3):
        assert np.corrcoef(u[:, 0], u[:, lag])[0, 1] == pytest.approx(0.8**lag, abs=0.05)
    first, second = (np.array(v) for v in zip(*(shared_shifts(rng, 20, 0.6, 0.7) for _ in range(2000)), strict=True))
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] == pytest.approx(0.7, abs=0.03)
    assert np.corrcoef(second[:, 4], second[:, 5])[0, 1] == pytest.approx(0.6, abs=0.06)


@pytest.mark.simulation
@pytest.mark.parametrize("icc", [0.0, 0.02])
def test_counts_have_the_curve_as_mean_and_the_stated_variance(icc):
    rng = np.random.default_rng(2)
    curve = np.array([0.03, 0.2, 0.5, 0.9])
    y = np.array([counts(rng, curve, 125, 0.6, 0.6, icc=icc) for _ in range(1500)]) / 125
    assert np.all(np.abs(y.mean(0) - curve) < 4 * y.std(0) / math.sqrt(1500))
    still = np.array([counts(rng, curve, 125, 0.0, 1e-9, icc=icc) for _ in range(1500)]) / 125
    expected = curve * (1 - curve) / 125 * (1 + 124 * icc)
    assert still.var(0) == pytest.approx(expected, rel=0.15)


@pytest.mark.simulation
def test_items_follow_the_curve_and_fail_together():
    rng = np.random.default_rng(3)
    curve = np.linspace(0.1, 0.6, 6)
    draws = [clustered_items(rng, curve, 40, 8, 0.7, sd=0.3) for _ in range(300)]
    means = np.array([success.mean(1) for success, _ in draws])
    assert np.all(np.abs(means.mean(0) - curve) < 4 * means.std(0) / math.sqrt(300))
    t = series(rng, "r", "m", CURVES["linear"].score, schedule("uniform", 60), 40, NoiseSpec(each=8, lasting=0.0))
    assert t.trials[0] == 320 and 2.5 < t.design_effect < 6.5
    success, concept = clustered_items(rng, np.full(80, 0.4), 40, 8, 0.9, sd=0.01)
    assert design_effect(success, np.ones_like(success), concept) < 2.0


def test_missing_checkpoints_leave_the_first_and_the_last():
    tokens = schedule("uniform", 200)
    t = series(np.random.default_rng(4), "r", "m", CURVES["sharp"].score, tokens, 125, NoiseSpec(missing=0.2))
    assert 140 <= t.n <= 178 and t.tokens[0] == tokens[0] and t.tokens[-1] == tokens[-1]
    assert np.array_equal(tokens[t.index], t.tokens)


def test_a_replicate_depends_on_the_seed_and_its_number_alone():
    c = cell("lag/size/shared-shocks")
    one, again, *others = (run.draw(c, r, seed) for r, seed in ((5, 1), (5, 1), (5, 2), (6, 1)))
    assert np.array_equal(one[1].y, again[1].y)
    assert not any(np.array_equal(one[1].y, other[1].y) for other in others)
    assert not np.array_equal(one[0].y, one[1].y)


# ------------------------------------------------------------------ figures


def test_figures_count_what_they_say():
    answers = [
        {"p": 0.05, "gamma": 2.0, "made": 1, "reported": 1, "x": -0.5, "low": -0.6, "high": -0.4, "t50_x": -0.3,
         "t50_low": -0.35, "t50_high": -0.1},
        {"p": 0.06, "gamma": 0.0, "made": 1, "reported": 0, "x": -0.2, "low": -0.3, "high": np.inf, "t50_x": -0.3,
         "t50_low": -0.2, "t50_high": -0.1},
        {"p": 0.01, "gamma": 3.0, "made": 1, "reported": 1, "x": -0.5, "low": -np.inf, "high": -0.45, "t50_x": 0.0,
         "t50_low": -0.4, "t50_high": np.inf},
        {"p": 1.0, "gamma": 0.0, "made": 0, "reported": 0, "x": np.nan, "low": np.nan, "high": np.nan,
         "t50_x": np.nan, "t50_low": np.nan, "t50_high": np.nan},
    ]  # fmt: skip
    found = figures(columns(answers), "takeoff", Truth(takeoff=-0.5, t50=-0.3, elasticity=2.0), 0.95)
    values = {k: f.value for k, f in found.items()}
    assert values["rejected"] == 0.5 and values["steep"] == 0.5 and values["overstated"] == 0.5
    assert values["coverage"] == 0.5 and values["covered_if_reported"] == 1.0 and found["covered_if_reported"].n == 2
    assert values["open"] == 0.5 and math.isinf(values["width"]) and values["t50_coverage"] == 0.5
    assert values["error"] == 0.0
    nowhere = figures(columns(answers), "takeoff", Truth(), 0.95)
    assert "coverage" not in nowhere and "overstated" not in nowhere and nowhere["reported"].value == 0.5


def test_lags_are_compared_in_ln_and_their_width_is_in_decades():
    found = columns([{"p": 0.01, "made": 1, "reported": 1, "x": 0.3, "low": 0.0, "high": math.log(10)}])
    lag = figures(found, "lag", Truth(lag=0.32), 0.95)
    assert lag["width"].value == pytest.approx(1.0) and lag["coverage"].value == 1 and lag["rejected"].value == 1
    assert lag["error"].value == pytest.approx(0.02 / math.log(10)) and "steep" not in lag


def test_standard_errors_are_those_of_simulation():
    rng = np.random.default_rng(5)
    shares = [share(rng.random(400) < 0.9) for _ in range(400)]
    assert np.std([f.value for f in shares]) == pytest.approx(np.mean([f.error for f in shares]), rel=0.15)
    medians = [median(rng.exponential(size=400)) for _ in range(400)]
    assert np.std([f.value for f in medians]) == pytest.approx(np.mean([f.error for f in medians]), rel=0.15)
    assert share(np.ones(50, bool)).error > 0.005
    assert median(np.array([1.0, 2.0, np.inf])).value == 2.0


@pytest.mark.parametrize(
    ("target", "value", "error", "word"),
    [
        (Target("f", 0.92, 0.98), 0.95, 0.007, "met"), (Target("f", 0.92, 0.98), 0.93, 0.007, "met?"),
        (Target("f", 0.92, 0.98), 0.91, 0.007, "missed?"), (Target("f", 0.92, 0.98), 0.85, 0.007, "missed"),
        (Target("f", high=0.06), math.inf, math.inf, "missed"), (Target("f", 0.9), 1.0, 0.01, "met"),
        (Target("f"), 1.0, 0.01, ""),
    ],
)  # fmt: skip
def test_a_verdict_says_when_the_bound_is_near(target, value, error, word):
    assert run.verdict(target, Figure(value, error, 1000)) == word


# ------------------------------------------------------------------ running


@pytest.fixture
def fake(monkeypatch):
    """Every block is answered at once by its replicates' numbers; the calls are listed."""
    calls = []

    def simulate(c, block, options):
        calls.append((c.name, block.first, block.n))
        numbers = np.arange(block.first, block.first + block.n) / 1000
        return {"p": numbers, "gamma": np.where(numbers > 0.01, np.nan, -np.inf)}, 0.5

    monkeypatch.setattr(run, "simulate", simulate)
    return calls


def test_an_interrupted_run_goes_on_where_it_stood(tmp_path, fake):
    path = tmp_path / "calibration.jsonl"
    cells, options = chosen("standard", ["delay/size/flat/*"]), Options(seed=3)

    def stop(done, total, what):
        if done >= 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(cells, options, replicates=45, store=Store(path, options), progress=stop)
    assert len(fake) == 3 and [first for _, first, _ in fake] == [0, 0, 0], "cells advance together"
    with path.open("a") as file:
        file.write('{"key": "torn')
    results = run.run(cells, options, replicates=45, store=Store(path, options))
    assert len(fake) == len(set(fake)) == 9
    assert [r.n for r in results] == [45] * 3
    assert results[0].figures["rejected"].value == pytest.approx(45 / 45)  # .000 to .044, each at most .05
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 9 and lines[0]["seed"] == 3
    more = run.run(cells[:1], options, replicates=100, store=Store(path, options))[0]
    assert more.n == 100 and more.figures["rejected"].value == pytest.approx(0.51)
    before = len(fake)
    other = Store(path, replace(options, boot=99))
    run.run(cells[:1], replace(options, boot=99), replicates=20, store=other)
    assert len(fake) == before + 1 and other.unused > 0, "other settings are never mixed in"


def test_a_changed_design_or_source_is_not_mixed_in(tmp_path, fake, monkeypatch):
    path, options = tmp_path / "c.jsonl", Options()
    c = cell("delay/size/flat/rho-0.6")
    run.run([c], options, replicates=20, store=Store(path, options))
    changed = replace(c, trials=99)
    one = Store(path, options)
    one.take((changed,))
    assert run.missing(changed, 20, one) and one.unused == 1
    monkeypatch.setattr(store, "source_digest", lambda: "other")
    two = Store(path, options)
    two.take((c,))
    assert run.missing(c, 20, two) == [Block(c.name, 0, 20)]


def test_the_source_digest_reads_the_statistics_and_not_the_tables():
    found = sources.imports(
        "from calque.phases.dictionary.fit import Fit\n"
        "if TYPE_CHECKING:\n    from calque.phases.detection.detect import Settings\n"
    )
    assert found == ["calque.phases.dictionary.fit"]
    read = sources.sources(sources.ROOTS, sources.PACKAGE)
    assert {"calque.phases.detection.lag", "calque.phases.noise.kalman"} <= set(read)
    assert not {"calque.phases.calibration.tables", "calque.phases.report.tables"} & set(read)


RENAMED = {
    "calque.phases.noise.kalman": "{}.kept.filters",
    "calque.phases.detection.lag": "{}.kept.between_two",
    "calque.phases.dictionary": "{}.shapes_of_growth",
    "calque.phases": "{}",
}
"""Modules and folders under other names, in another package."""


def moved(folder, package, changed=lambda text: text):
    """Write the statistics into another package under other names; return the digest there."""

    def renamed(text):
        text = text.replace("from calque.phases.noise import kalman", "import calque.phases.noise.kalman as kalman")
        for old, new in RENAMED.items():
            text = re.sub(rf"{re.escape(old)}\b", new.format(package), text)
        return text

    for name, text in sources.sources(sources.ROOTS, sources.PACKAGE).items():
        path = folder / renamed(name).replace(".", "/")
        path = path / "__init__.py" if name == "calque.phases.shapes" else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# moved\n" + changed(renamed(text)))
    roots = [renamed(root) for root in sources.ROOTS]
    return sources.digest_of(sources.sources(roots, package).values(), package)


def test_the_source_digest_is_of_what_is_computed_and_not_of_where_it_stands(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    assert moved(tmp_path, "elsewhere") == sources.source_digest()
    number = r"RISE_EVIDENCE = 12\.0"
    assert any(re.search(number, text) for text in sources.sources(sources.ROOTS, sources.PACKAGE).values())
    changed = moved(tmp_path, "otherwise", lambda text: re.sub(number, "RISE_EVIDENCE = 12.5", text))
    assert changed != sources.source_digest()


def test_comments_docstrings_and_imports_do_not_count_as_statistics():
    one = """
from calque.phases.noise.kalman import proportions as drawn

WILD = 7.0

def f(x):
    return WILD * drawn(x)
"""
    other = '''
"""A module."""
from calque.phases.noise import kalman  # another way

WILD = 7.0
"""Standard deviations."""

def f(x):
    """Return it."""
    return (WILD * kalman.proportions(x))
'''
    assert sources.digest_of([one], sources.PACKAGE) == sources.digest_of([other, "import math"], sources.PACKAGE)
    apart = one[one.index("def f") :]  # the function in a module of its own
    halves = [one[: one.index("def f")], "from calque.phases.noise.kalman import proportions as drawn\n" + apart]
    assert sources.digest_of(halves, sources.PACKAGE) == sources.digest_of([one], sources.PACKAGE)
    for old, new in (("7.0", "7"), ("WILD *", "WILD +"), ("drawn(x)", "drawn(-x)")):
        assert sources.digest_of([one.replace(old, new)], sources.PACKAGE) != sources.digest_of([one], sources.PACKAGE)


# ------------------------------------------------------------------ a study's own design


def test_the_null_of_a_late_start_is_concave_and_no_lower_than_its_floor():
    c = cell("takeoff/sharp/40-checkpoints")
    t = run.draw(c, 0, 0)[0]
    fitted = c.curve.score(t.tokens / t.tokens[-1])
    null = designs.nearest_concave(t, fitted, np.full(t.n, 0.05))
    assert np.all(np.diff(np.diff(null) / np.diff(t.tokens)) <= 1e-12) and null.min() >= fitted.min() - 1e-9
    assert np.abs(null - fitted).max() > 0.05, "no concave curve is near a late start"
    hump = CURVES["peak"].score(t.tokens / t.tokens[-1])
    falls = designs.nearest_concave(replace(t, y=hump), hump, np.full(t.n, 0.05))
    top = int(hump.argmax())
    assert np.allclose(np.diff(falls[top:]), np.diff(hump[top:]))


def test_a_curve_is_moved_to_the_takeoff_asked_for():
    t = run.draw(cell("takeoff/sharp/rho-0.6"), 0, 0)[0]
    curve = CURVES["sharp"].score(t.tokens / t.tokens[-1])
    assert designs.takeoff_of(t, curve, 0.05) == pytest.approx(truth(CURVES["sharp"], UNIFORM).takeoff, abs=0.003)
    moved = designs.moved_to(t, curve, -0.9, 0.05)
    assert designs.takeoff_of(t, moved, 0.05) == pytest.approx(-0.9, abs=1e-4)


@pytest.mark.simulation
def test_a_study_is_calibrated_series_and_lags():
    made = run.draw(replace(cell("lag/power/independent"), checkpoints=40, second=CURVES["flat"]), 1, 0)
    quarter = later(CURVES["sharp"], math.log10(0.25)).score
    early = series(np.random.default_rng(1), made[0].run, "early", quarter, made[0].tokens, 125, NoiseSpec())
    short = early.until(5)
    rows = calibrate(
        [early, made[0], made[1], replace(short, metric="short")],
        [("early", "first"), ("first", "second"), ("first", "absent")],
        Options(boot=39), replicates=5,
    )  # fmt: skip
    of = {(r.metric, r.second): r for r in rows}
    assert list(of) == [("early", None), ("first", None), ("second", None), ("short", None), ("early", "first"),
                        ("first", "second")]  # fmt: skip
    sharp, flat, lag = of["first", None], of["second", None], of["early", "first"]
    # of five: four or more at power .97 (99 %), at most two at size .07, three or more at coverage .92 (99.5 %)
    assert sharp.fitted["rejected"].value >= 4 / 5 and sharp.null["rejected"].value <= 2 / 5
    assert sharp.fitted["coverage"].value >= 3 / 5 and sharp.fitted["reported"].value == 1
    assert flat.fitted["reported"].value <= 2 / 5 and "gives no takeoff" in flat.reason and not sharp.reason
    assert lag.fitted["rejected"].value >= 4 / 5 and lag.null["rejected"].value <= 2 / 5
    assert of["short", None].fitted is None and "too few" in of["short", None].reason
    assert of["first", "second"].fitted is None and "gives no takeoff" in of["first", "second"].reason


# ------------------------------------------------------------------ short cells


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("name", "replicates", "figure", "low", "high"),
    [
        # at the bound of the target, chance of failing: size .07, 5 of 20 or more: .009
        ("delay/size/linear/40-checkpoints", 20, "rejected", 0, 4),
        # coverage .92, 15 of 20 or fewer: .015; .95: .003
        ("takeoff/sharp/40-checkpoints", 20, "coverage", 16, 20),
    ],
)
def test_a_cell_in_short(name, replicates, figure, low, high):
    result = run.run([cell(name)], Options(seed=11, boot=59), replicates=replicates)[0]
    assert low <= round(result.figures[figure].value * replicates) <= high


# ------------------------------------------------------------------ command


def phases(*words):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["phases", *map(str, words)])
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    return code, out.getvalue(), err.getvalue()


def test_the_suite_is_listed_run_and_written_between_the_markers(tmp_path, fake):
    code, out, _ = phases("calibrate", "--list", "--cells", "lag/*")
    assert code == 0 and out.count("lag/") == 10 and "10 cells" in out
    page, out_file, json_file = tmp_path / "page.md", tmp_path / "c.jsonl", tmp_path / "c.json"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    words = ("calibrate", "--suite", "standard", "--cells", "delay/size/flat/*", "--replicates", 100, "--jobs", 1)
    code, out, err = phases(*words, "--out", out_file, "--markdown", page, "--json", json_file)
    assert code == 0, err
    text = page.read_text()
    assert (
        text.startswith(f"before\n{BEGIN}\nSuite standard") and text.endswith(f"{END}\nafter\n") and "old" not in text
    )
    assert "| flat/rho-0.9 | 100 | .510±.050 |" in text and "missed: rejected" in text and "missed" in out
    found = json.loads(json_file.read_text())
    assert found["schema"] == 1 and len(found["cells"]) == 3 and found["cells"][0]["targets"][0]["verdict"] == "missed"
    assert len(out_file.read_text().splitlines()) == 15


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give CUBE"),
        (("no.nc",), "no.nc is missing"),
        (("--suite", "standrd"), "did you mean 'standard'"),
        (("--suite", "standard", "--cells", "takof/sharp/rho-0.6"), "did you mean 'takeoff/sharp/rho-0.6'"),
        (("--suite", "standard", "--level", "0.9"), "leave both out"),
        (("--suite", "standard", "--boot", "3"), "19 to 100000"),
        (("x.nc", "--cells", "lag/*"), "go with --suite"),
        (("x.nc", "--suite", "standard"), "both given"),
        (("--suite", "standard", "--replicates", "0"), "1 or more"),
        (("--suite", "standard", "--metric", "copying"), "go with CUBE"),
    ],
)
def test_mistakes_are_one_line(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = phases("calibrate", *words)
    assert code == 2 and said in err and err.count("\n") == 1 and err.startswith("phases: ")


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "notes.jsonl"
    path.write_text("hello\n")
    code, _, err = phases("calibrate", "--suite", "standard", "--out", path)
    assert code == 2 and "notes.jsonl, line 1" in err and path.read_text() == "hello\n"
    page = tmp_path / "page.md"
    page.write_text("no markers\n")
    code, _, err = phases("calibrate", "--suite", "standard", "--markdown", page)
    assert code == 2 and "lacks the lines" in err


@pytest.mark.simulation
def test_a_cube_is_calibrated_from_the_command_line(tmp_path):
    path, out = tmp_path / "results.nc", tmp_path / "c.json"
    cubes.write(study(seed=2, runs=2, languages=4, concepts=12, n=24)[0], path)
    words = ("--replicates", 2, "--boot", 19, "--jobs", 1, "--metric", "copying", "--metric", "translation")
    code, text, err = phases("calibrate", path, "--run", "seed1", *words, "--json", out)
    assert code == 0, err
    found = json.loads(out.read_text())
    assert [(s["run"], s["metric"]) for s in found["series"]] == [("seed1", "copying"), ("seed1", "translation")]
    assert [(g["first"], g["second"]) for g in found["lags"]] == [("copying", "translation")]
    assert found["settings"]["replicates"] == 2 and found["series"][0]["fitted"]["coverage"]["n"] == 2
    assert "2 simulated series a question" in text and "seed0" not in text
    code, _, err = phases("calibrate", path, "--run", "seed9")
    assert code == 2 and "did you mean 'seed" in err


def test_tables_hold_every_cell_of_the_suite():
    results = [run.Result(c, 0, {}, 0.0) for c in STANDARD]
    assert sum(len(grid.rows) for grid in tables.suite_grids(results)) == len(STANDARD)

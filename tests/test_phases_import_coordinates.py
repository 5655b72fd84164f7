"""What an import keeps of runs: coordinates from columns and from names; and metrics under the names they had."""

import json

import numpy as np
import pytest

import calque
from calque.data.errors import UserError
from calque.phases.formats.coordinates import of_names
from calque.phases.series.metrics import trajectories
from calque.scaling.api.fit import fit
from tests import phases_simulation as sim
from tests.phases_logs import table
from tests.test_phases_cli import phases, refused

SIZES = {"70m": 18_915_328, "160m": 85_056_000, "410m": 302_311_424}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A table of three sizes and two seeds, in which larger models take off earlier."""
    rng = np.random.default_rng(0)
    tokens = sim.schedule("mixed", 30)
    lines = ["run,tokens,eval/acc,n,model_size,params,data,seed"]
    for size, n in SIZES.items():
        for seed in (0, 1):
            k = sim.counts(rng, sim.onset(2e6 * (2e7 / n) ** 0.4, 0.2)(tokens), 300)
            lines += [f"{size}-uniform-s{seed},{t:.0f},{v / 300},300,{size},{n},uniform,{seed}"
                      for t, v in zip(tokens, k, strict=True)]  # fmt: skip
    return table(tmp_path_factory.mktemp("log"), "\n".join(lines), "log.csv")


ASKED = {"metric": "eval/acc", "tokens": "tokens", "trials": "n", "run": "run"}
COORD = {"size": "model_size", "mix": "data", "seed": "seed", "n_params_non_embedding": "params"}


def test_coordinates_from_columns_and_from_names_are_the_same(log):
    columns = calque.import_log(log, **ASKED, coord=COORD)
    names = calque.import_log(log, **ASKED, coord="n_params_non_embedding=params", run_pattern="{size}-{mix}-s{seed}")
    for name in ("size", "mix", "seed", "n_params", "n_params_non_embedding"):
        np.testing.assert_array_equal(columns.cube[name], names.cube[name])
    assert list(columns.cube["size"].values) == [s for s in SIZES for _ in "ab"]
    assert columns.cube["n_params"].values.tolist() == [7e7] * 2 + [1.6e8] * 2 + [4.1e8] * 2
    assert any("n_params is the number that size names" in note for note in names.notes)
    assert columns.to_dict()["runs"][0] | {"first_tokens": 0, "last_tokens": 0} == {
        "run": "70m-uniform-s0", "checkpoints": 30, "first_tokens": 0, "last_tokens": 0, "size": "70m",
        "mix": "uniform", "seed": 0, "n_params_non_embedding": SIZES["70m"], "n_params": 7e7,
    }  # fmt: skip


def test_an_imported_log_goes_through_detect_and_scaling(log, tmp_path):
    """Groups by size, laws across sizes and a forecast, from a table alone; the metric under either of its names."""
    out = tmp_path / "log.nc"
    coords = [word for name, column in COORD.items() for word in ("--coord", f"{name}={column}")]
    done = phases("import", log, "--metric", "eval/acc", "--tokens", "tokens", "--trials", "n", "--run", "run",
                  *coords, "-o", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = calque.detect(out, metric="eval.acc", by="size", boot=19)
    rows = [t for t in report.transitions if t.estimand == "takeoff"]
    assert {t.group for t in rows} == {f"size={s}" for s in SIZES} and {t.metric for t in rows} == {"eval/acc"}
    assert all(t.tokens is not None and t.outcome in ("found", "not_established") for t in rows)
    told = [fit(out, metric=name, boot=19).to_dict() for name in ("eval/acc", "eval.acc")]
    assert told[0] == told[1] and len(told[0]["transitions"]) == 6
    assert calque.forecast(out, metric="eval/acc", size="1b", boot=19).to_dict()["metric"] == "eval/acc"


def test_a_metric_has_both_names_everywhere(tmp_path):
    path = table(tmp_path, "tokens,val/acc/top,val/loss\n" + "".join(f"{t},{t / 40},{9 - t}\n" for t in range(1, 9)))
    made = calque.import_log(
        path, metric=["val/acc/top", "val/loss"], tokens="tokens", trials=40, continuous="val/loss"
    )
    assert made.metrics() == ["val.acc.top", "val.loss"]
    assert [m["metric"] for m in made.to_dict()["metrics"]] == ["val/acc/top", "val/loss"]
    calque.write(made, tmp_path / "cube.nc")
    cube = calque.read(tmp_path / "cube.nc")
    for given in ("val/acc/top", "val.acc.top", "val/acc.top"):
        assert [t.metric for t in trajectories(cube, (given,))] == ["val/acc/top"]
    assert {t.metric for t in trajectories(cube)} == {"val/acc/top", "val/loss"}
    with pytest.raises(UserError, match="is not in the cube; it has val/acc/top, val/loss"):
        trajectories(cube, ("val/acc",))
    assert cube.calque.rates("val.loss").sizes["checkpoint"] == 8


def test_explore_shows_metrics_as_they_were_written(log, tmp_path):
    from calque.phases.explore.study import read_study

    calque.write(calque.import_log(log, **ASKED), tmp_path / "cube.nc")
    assert read_study(tmp_path / "cube.nc", {}).metrics[-1] == "eval/acc"


@pytest.mark.parametrize(
    "options,words",
    [
        ({"coord": {"size": "tokens"}}, "`coord` size: run '70m-uniform-s0' has '.*' and '.*'; expected one value"),
        ({"coord": {"size": "eval/acc"}}, "does the column change in training"),
        ({"coord": "size=modelsize"}, "no column 'modelsize'.*did you mean 'model_size'"),
        ({"coord": "size"}, "`coord` is 'size'; expected NAME=COLUMN"),
        ({"coord": {"tokens": "seed"}}, "`coord` is 'tokens', which no coordinate of runs can be called"),
        ({"coord": {"n_params": "data"}}, "`coord` n_params is 'uniform' somewhere; expected numbers"),
        ({"run_pattern": "{size}-{mix}-x"}, "which run '70m-uniform-s0' does not fit"),
        ({"run_pattern": "{size}{mix}"}, "expected the runs' names with coordinates in braces"),
        ({"run_pattern": "70m"}, "expected the runs' names with coordinates in braces"),
        ({"coord": {"mix": "data"}, "run_pattern": "{size}-{mix}-s{seed}"}, "'mix' is in `coord` and in `run_pattern`"),
    ],
)  # fmt: skip
def test_coordinates_that_cannot_be_are_refused(options, words, log):
    with pytest.raises(UserError, match=words) as refusal:
        calque.import_log(log, **ASKED, **options)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) <= 300


@pytest.mark.parametrize(
    "pattern,run,found",
    [
        ("{size}-{mix}-s{seed}", "1.4b-en-de-s12", {"size": "1.4b", "mix": "en-de", "seed": "12"}),
        ("{}/pythia-{}-{size}", "org/pythia-v1.1-70m", {"size": "70m"}),
        ("{mix}_seed{init_seed}", "a.b+c_seed3", {"mix": "a.b+c", "init_seed": "3"}),
        ("{author}|{size}", "x|2T", {"author": "x", "size": "2T"}),
    ],
)
def test_patterns_of_names(pattern, run, found):
    assert {name: value[run] for name, value in of_names(pattern, [run]).items()} == found


def test_the_command_refuses_in_its_own_words(log, tmp_path):
    end = ("--metric", "eval/acc", "--tokens", "tokens", "--run", "run", "-o", tmp_path / "o.nc")
    refused(phases("import", log, *end, "--coord", "size=tokens"), "--coord size: run")
    refused(phases("import", log, *end, "--run-pattern", "{size}"), "--run-pattern is '{size}'")
    done = phases("import", log, *end, "--run-pattern", "{size}-{mix}-s{seed}", "--json", "-")
    assert json.loads(done.stdout)["runs"][0]["size"] == "70m"

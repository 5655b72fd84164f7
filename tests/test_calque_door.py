"""The Python interface: light to import, lazy, and results that print, convert and draw themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from statsmodels.stats.proportion import proportion_confint

import calque
from calque.data.errors import UserError
from calque.data.result import Result
from calque.scaling.api.calibrate import calibrate
from calque.scaling.api.fit import fit
from calque.scaling.api.loss import loss
from calque.scaling.api.mixes import mixes
from calque.scaling.api.plan import plan
from calque.scaling.api.power import power
from calque.scaling.simulate.result import Simulation
from calque.scaling.simulate.truth import Truth, read_truth
from tests.phases_cube import study
from tests.test_scaling_loss_laws import drawn

pytestmark = pytest.mark.xdist_group("door")
ROOT = Path(__file__).parent.parent
TRUTH = ROOT / "docs/examples/truth.yaml"
INTERACTIVE = (
    "detect", "pool", "acquisition", "import_log", "plan", "simulate", "fit", "forecast", "calibrate forecasts",
    "mixes", "loss", "power", "plan a ladder",
)  # fmt: skip
HEAVY = ("numpy", "xarray", "pandas", "scipy", "matplotlib", "torch", "ray", "lightning", "rich", "typer")
mpl.use("agg")


def python(code: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return study(runs=2, n=20, languages=4)[0]


@pytest.fixture(scope="module")
def log() -> Any:
    return calque.import_log(ROOT / "docs/examples/log.csv", metric="accuracy", tokens="tokens", trials=125)


@pytest.fixture(scope="module")
def simulated() -> Simulation:
    """A ladder of two mixes."""
    small = {
        "seeds": 1, "mixes": [{"name": "a"}, {"name": "b", "factor": 1.5}], "concepts": 12,
        "checkpoints": {"count": 20, "first": 1e8, "last": 2e11}, "languages": ["en", "de", "ru"],
    }  # fmt: skip
    return calque.simulate(Truth.model_validate({**read_truth(TRUTH).model_dump(), **small}), seed=3)


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    points, file = drawn("chinchilla", 0.01, 60), tmp_path_factory.mktemp("losses") / "p.csv"
    np.savetxt(file, np.column_stack([points.n, points.d, points.loss]), delimiter=",", header="n,d,loss", comments="")
    return file


@pytest.fixture(scope="module")
def results(cube: xr.Dataset, log: Any, simulated: Simulation, losses: Path) -> dict[str, Result]:
    return {
        "simulate": simulated,
        "fit": fit(simulated, law="power", boot=19, where=["mix=a"]),
        "forecast": calque.forecast(simulated, size="1.7b", boot=19, where=["mix=a"]),
        "calibrate forecasts": calibrate(studies=10, sizes=4, seed_sd=[0.05]),
        "mixes": mixes(simulated, boot=19, by_language=True),
        "loss": loss(losses, boot=19, at="3b,60b"),
        "power": power(TRUTH),
        "plan a ladder": plan(1600),
        "detect": calque.detect(cube, boot=19),
        "classical": calque.detect(cube, family="kink", metric="copying"),
        "pool": calque.pool(cube, boot=19, over="language"),
        "acquisition": calque.acquisition(cube),
        "calibrate": calque.calibrate(cube, run="seed0", metric="copying", replicates=2, boot=19),
        "import_log": log,
        "plan": calque.plan(ROOT / "sweeps/quick.yaml"),
    }


def test_importing_it_loads_nothing_heavy(tmp_path: Path) -> None:
    python(f"import sys, calque; assert not set({HEAVY!r}) & set(sys.modules), sorted(sys.modules)", tmp_path)


def test_it_offers_what_it_lists_and_names_it_where_a_word_is_wrong() -> None:
    assert issubclass(calque.UserError, ValueError)
    for name in calque.__all__:
        assert callable(getattr(calque, name)) and name in dir(calque)
        assert (getattr(calque, name).__doc__ or "").strip(), name
    with pytest.raises(AttributeError, match="it offers acquisition, calibrate"):
        calque.detct  # noqa: B018


@pytest.mark.parametrize("first", ["calque, xarray as xr", "xarray as xr, calque"])
def test_the_accessor_is_there_whichever_is_imported_first(first: str, tmp_path: Path) -> None:
    python(f"import {first}; assert hasattr(xr.Dataset, 'calque')", tmp_path)


@pytest.mark.parametrize("name", [*INTERACTIVE, "classical", "calibrate"])
def test_every_result_prints_converts_and_draws(results: dict[str, Result], name: str, tmp_path: Path) -> None:
    result = results[name]
    text = result.summary()
    assert str(result) == text and len(text.splitlines()) >= 2 and "\x1b" not in text
    assert result._repr_html_().startswith("<pre")
    assert json.loads(result.to_json()) == json.loads(json.dumps(result.to_dict()))
    result.to_json(tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == json.loads(result.to_json())
    for table, rows in result.tables().items():
        frame = result.to_dataframe(table)
        assert len(frame) == len(rows.rows) and set(rows.index) <= set(frame.columns)
    with pytest.raises(UserError, match="`table` is 'none'"):
        result.to_dataframe("none")
    result.to_csv(tmp_path / "x.csv")
    assert len(pd.read_csv(tmp_path / "x.csv")) == len(result.to_dataframe())
    result.to_xarray().to_netcdf(tmp_path / "x.nc")
    axes = result.plot()
    assert axes.has_data()
    axes.figure.savefig(tmp_path / "x.png")
    with pytest.raises(UserError, match="expected matplotlib or hvplot"):
        result.plot(backend="gnuplot")


@pytest.mark.parametrize("name", INTERACTIVE)
def test_every_result_has_an_interactive_picture(results: dict[str, Result], name: str) -> None:
    import holoviews as hv

    picture = results[name].plot(backend="hvplot")
    assert hv.render(picture, backend="bokeh") is not None


def test_a_dataframe_and_a_dataset_hold_the_numbers_of_the_json(results: dict[str, Result]) -> None:
    found = results["detect"]
    frame, data = found.to_dataframe(), found.to_xarray()
    for row in found.to_dict()["transitions"]:
        mine = frame[(frame[["run", "group", "metric", "estimand"]] == [row[k] for k in ("run", "group", "metric",
                     "estimand")]).all(axis=1)]  # fmt: skip
        assert len(mine) == 1 and mine.iloc[0]["outcome"] == row["outcome"]
        at = data.sel({k: row[k] for k in ("run", "group", "metric", "estimand")})
        for name in ("tokens", "low", "high", "p_value"):
            wanted = np.nan if row[name] is None else row[name]
            np.testing.assert_array_equal(mine.iloc[0][name], wanted)
            np.testing.assert_array_equal(at[name], wanted)
        assert at["outcome"] == row["outcome"]
    lags = found.to_dataframe("lags")
    assert list(lags["outcome"]) == [lag["outcome"] for lag in found.to_dict()["lags"]]


def test_a_path_a_dataset_and_a_result_are_the_same_cube(log: Any, tmp_path: Path) -> None:
    calque.write(log.cube, tmp_path / "x.nc")
    given = [log, log.cube, tmp_path / "x.nc", str(tmp_path / "x.nc"), calque.read(tmp_path / "x.nc")]
    rows = [calque.detect(one, boot=19).to_dict()["transitions"] for one in given]
    assert all(one == rows[0] for one in rows)
    with pytest.raises(
        UserError, match="`cube` is 3; expected Dataset or text or a path or a result that holds a cube"
    ):
        calque.detect(3)  # type: ignore[arg-type]


def test_the_picture_is_drawn_where_it_is_asked(results: dict[str, Result]) -> None:
    import matplotlib.pyplot as plt

    _, (left, right) = plt.subplots(1, 2)
    assert results["detect"].plot("seed1", ax=right) is right and right.has_data() and not left.has_data()
    with pytest.raises(UserError, match=r"`run` is 'seed9'; the result has seed0, seed1; did you mean"):
        results["detect"].plot("seed9")


def test_a_picture_with_nothing_to_draw_says_so(results: dict[str, Result], losses: Path) -> None:
    simulated = results["simulate"]
    few = ["mix=a", "size=20m"]
    nothing = [
        (fit(simulated, boot=19, where=few), "nothing to draw: floor law: too_few_points"),
        (calque.forecast(simulated, size="1.7b", boot=19, where=few), "nothing to draw: no law gives a forecast"),
        (loss(losses, law="broken", boot=19), "the isoFLOP view is of a fitted chinchilla law"),
    ]
    for result, words in nothing:
        with pytest.raises(UserError, match=words):
            result.plot()
    for call, words in (
        (lambda: results["mixes"].plot("pairs"), "expected one of contrasts, languages, mixed_model"),
        (lambda: results["calibrate forecasts"].plot("widht"), "did you mean 'width'"),
        (lambda: simulated.plot("20m-a-s9"), "`run` is '20m-a-s9'"),
    ):
        with pytest.raises(UserError, match=words):
            call()


def test_a_simulation_is_its_cube_and_draws_the_truth(simulated: Simulation) -> None:
    assert simulated.to_xarray() is simulated.cube
    axes = simulated.plot("540m-b-s0")
    true = simulated.rates.sel(run="540m-b-s0")
    lines = {line.get_label(): line for line in axes.lines}
    for metric in ("copying", "false_copying", "translation"):
        np.testing.assert_array_equal(lines[metric.replace("_", " ")].get_ydata(), true[metric])


def test_the_curve_of_a_fit_is_the_law(results: dict[str, Any]) -> None:
    found = results["fit"].fit
    curve = {name: np.array(values) for name, values in found.curve().items()}
    wanted = found.parameters["c"] * curve["n"] ** -found.parameters["gamma"]
    np.testing.assert_allclose(curve["tokens"], wanted)
    assert curve["n"][0] == 2e7 and curve["n"][-1] == pytest.approx(5.4e8)
    assert np.all((curve["low"] < curve["tokens"]) & (curve["tokens"] < curve["high"]))


def test_rates_are_counts_with_wilson_intervals(cube: xr.Dataset) -> None:
    found = cube.calque.rates("copying", level=0.9)
    right = (cube["translation_outcome"] == 1) & (
        (cube["overlap"] == 2) | xr.DataArray(np.eye(4, dtype=bool), dims=("source", "target"))
    )
    asked = (cube["overlap"] == 2) | xr.DataArray(np.eye(4, dtype=bool), dims=("source", "target"))
    n = int(asked.broadcast_like(cube["overlap"]).sum())
    share = right.sum(("source", "target", "concept")) / n
    np.testing.assert_allclose(found["rate"], share.transpose("run", "checkpoint"))
    np.testing.assert_array_equal(found["trials"], n)
    low, high = proportion_confint(share.values * n, n, alpha=0.1, method="wilson")
    np.testing.assert_allclose(found["low"], low)
    np.testing.assert_allclose(found["high"], high)
    assert (found["cluster_high"] - found["cluster_low"] >= found["high"] - found["low"] - 1e-12).all()


def test_rates_by_pair_are_rates_of_the_pairs(cube: xr.Dataset) -> None:
    whole = cube.calque.rates("translation", "pair")
    one = cube.calque.trajectory("translation", "seed1", by="pair", group="source=en target=de")
    np.testing.assert_array_equal(whole["rate"].sel(run="seed1", group="source=en target=de"), one.y)
    with pytest.raises(UserError, match=r"`group` is 'source=en'; run 'seed1' has source=en target=de"):
        cube.calque.trajectory("translation", "seed1", by="pair", group="source=en")
    with pytest.raises(UserError, match="the cube has 2 runs; name one of seed0, seed1"):
        cube.calque.trajectory("translation")


def test_a_falling_metric_keeps_its_sign(log: Any) -> None:
    data = log.cube.copy()
    data["loss"] = (("run", "checkpoint"), 5 - np.log(data["tokens"].values + 1e6))
    data["loss"].attrs["metric_kind"] = "continuous"
    found = data.calque.rates("loss")
    np.testing.assert_allclose(found["rate"], data["loss"])
    assert found["low"].isnull().all()
    assert data.calque.plot("loss").has_data()


def test_flags_are_a_row_each(cube: xr.Dataset) -> None:
    assert cube.calque.flags().empty
    masks = np.zeros((2, 20), np.int8)
    masks[1, 3], masks[0, 5] = 5, 2
    flagged = cube.assign(checkpoint_flags=(("run", "checkpoint"), masks))
    tokens = cube["tokens"].values
    wanted = pd.DataFrame(
        [("seed0", 5, tokens[0, 5], "outlier"), ("seed1", 3, tokens[1, 3], "duplicate_weights"),
         ("seed1", 3, tokens[1, 3], "not_finite")],
        columns=["run", "checkpoint", "tokens", "flag"],
    )  # fmt: skip
    pd.testing.assert_frame_equal(flagged.calque.flags(), wanted)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: calque.detect(c, boot=5), "`boot`"),
        (lambda c: calque.detect(c, level=2), "`level`"),
        (lambda c: calque.detect(c, by=""), "`by` is empty"),
        (lambda c: calque.detect(c, metric=[]), "is empty"),
        (lambda c: calque.detect(c, level="0.95"), "`level` is .0.95.; expected a number"),
        (lambda c: calque.detect(c, boot=99.5), "`boot` is 99.5; expected a whole number"),
        (lambda c: calque.detect(c.drop_vars("translation_outcome"), metric="nonce", by="pair"), "not in the cube"),
        (lambda c: calque.concat([]), "`cubes` is empty"),
        (lambda c: calque.concat(c), "`cubes` is one cube"),
        (lambda c: calque.detect(xr.concat([c, c], "run", data_vars="all")), "run .seed0. occurs twice"),
        (lambda c: calque.detect(c, metric="copyng"), "did you mean 'copying'"),
        (lambda c: calque.acquisition(c, items="some"), "`items` is 'some'"),
        (lambda c: calque.calibrate(c, run="seed7"), "`run` is 'seed7'"),
        (lambda c: calque.calibrate(), "nothing to calibrate"),
        (lambda c: calque.import_log("x.csv", metric=()), "`metric` is empty"),
        (lambda c: calque.import_log("x.csv", metric="a", tokens_per_step="lots"), "`tokens_per_step` is 'lots'"),
        (lambda c: calque.plan(ROOT / "sweeps/quick.yaml", utilisation=3), "`utilisation`"),
    ],
)
def test_a_mistake_names_the_parameter_and_no_flag(cube: xr.Dataset, call: Any, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("'", ".")) as error:
        call(cube)
    assert "--" not in str(error.value) and len(str(error.value)) <= 300

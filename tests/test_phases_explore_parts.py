"""The pages of a model's parts: heads, layers, ablations of one run, drawn from the groups of a cube."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import calque
from calque.data.cube.file import write
from calque.phases.explore.app import App, prepare
from calque.phases.explore.study import make_study, read_study
from tests.explore_cube import explored
from tests.explore_parts import DEPTHS, N, parts_of
from tests.test_phases_explore_pages import page, pictures, tables, text, title

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def prepared() -> None:
    prepare()


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return explored(n=N)


@pytest.fixture(scope="module")
def parts(cube: xr.Dataset) -> dict[str, xr.Dataset]:
    return parts_of(cube)


@pytest.fixture
def app(cube: xr.Dataset, parts: dict[str, xr.Dataset]) -> App:
    return App(make_study(cube, "results.nc", parts=parts))


def cells(made: Any) -> dict[tuple[str, str], float]:
    data = next(r for r in made.renderers if type(r.glyph).__name__ == "Rect").data_source.data
    return dict(zip(zip(data["row"], data["column"], strict=True), map(float, data["value"]), strict=True))


def test_heads_at_a_checkpoint_and_over_training(app: App) -> None:
    one = page(app, "HeadsPage")
    one.redraw()
    made, means = pictures(one.body)
    assert (
        cells(made)["1", "2"] == 0.9 and cells(made)["0", "0"] == 0.05 and title(made).startswith("matching of a-s0 at")
    )
    assert "1 of 6 (layer.head 1.2)" in text(one.body.objects)
    [top] = tables(one.body)
    assert (top.loc[0, "layer"], top.loc[0, "head"], top.loc[0, "score"]) == (1, 2, 0.9)
    lines = {r.data_source.data["of"][0]: r.data_source.data["y"] for r in means.renderers}
    assert lines["heads of the type"][-1] == 0.9 and np.allclose(lines["other heads"], 0.05)
    one.slider.value = next(iter(one.slider.options.values()))
    one.redraw()
    assert cells(pictures(one.body)[0])["1", "2"] == 0.05


def test_layers_over_training(app: App) -> None:
    one = page(app, "LayersPage")
    one.redraw()
    score, above = pictures(one.body)
    found = cells(score)
    assert len(found) == DEPTHS * len(range(0, N, 2)) and max(found.values()) == 2.0 and cells(above) == found
    assert "control: another word" in text(one.body.objects)
    assert tables(one.body)[0]["score"].tolist() == [0.0, 1.0, 2.0]


def test_ablations_of_every_kind(app: App, parts: dict[str, xr.Dataset]) -> None:
    one, group = page(app, "AblationsPage"), parts["ablations"].isel(run=0)
    one.redraw()
    assert one.run.options == {"a-s0": "a-s0", "a-s1": "a-s1", "b": "b", "c": "c"}
    found = list(cells(pictures(one.body)[0]).values())
    wanted = (
        group["swaps"].sel(measure="translation", range="block 0").isel(checkpoint=[0, N - 1]).transpose("donor", ...)
    )
    np.testing.assert_array_equal(found, wanted.values.ravel())
    for name in one.score.options.values():
        one.score.value = name
        one.redraw()
        assert pictures(one.body), name
    one.score.value, one.measure.value = "scaling_change", "copying"
    one.redraw()
    changes = tables(one.body)[0]
    assert changes["factor"].tolist() == ["0", "0"] and changes["component"].tolist() == ["embedding", "norm"]
    np.testing.assert_allclose(changes["change"], group["scaling_change"].values[-1, :, 0, 1], rtol=1e-2)
    for name, count in (("part_ablation", 2), ("co_ablation", 5)):  # of heads, one is among the strongest
        one.score.value, one.measure.value = name, "copying"
        one.redraw()
        if name == "part_ablation":
            assert one.range.options == {"mlp": "mlp", "block": "block"}
            one.range.value = "block"
            one.redraw()
        at = group[name].sel(measure="copying").isel(checkpoint=-1)
        values = (at.sel(part="block") if name == "part_ablation" else at).values.ravel()
        shown = tables(one.body)[0]
        assert len(shown) == count
        np.testing.assert_allclose(shown["change"], values[np.isfinite(values)], rtol=1e-2)
    one.score.value = "allocation"
    one.redraw()
    assert "parts sum to the whole" in text(one.body.objects)
    app.selection.chosen_runs.value = ["b"]
    one.redraw()
    assert "not computed for this run" in text(one.body.objects)


def test_training_text_by_pair_over_training_and_by_component(app: App, parts: dict[str, xr.Dataset]) -> None:
    one, group = page(app, "TrainingTextPage"), parts["attribution"].isel(run=0)
    one.redraw()
    found = cells(pictures(one.body)[0])
    assert found["en", "en-de"] == pytest.approx(float(group["attribution"].sel(trained_on="en", pair="en-de").sum()))
    one.score.value, one.pair.value = "training", "en-de"
    one.redraw()
    assert len(cells(pictures(one.body)[0])) == 3 * (N - 1)
    said_of = tables(one.body)[0].iloc[0]
    by = group["attribution_by_cluster"].sel(trained_on="de", pair="en-de").sum(("component", "checkpoint")).values
    low, high = stats.ttest_1samp(by, 0).confidence_interval(0.9)
    assert [said_of["low"], said_of["high"]] == pytest.approx([low, high], rel=1e-2)
    one.score.value = "components"
    one.redraw()
    wanted = float(group["attribution"].sel(component="norm", trained_on="de", pair="en-de").sum())
    assert cells(pictures(one.body)[0])["norm", "de"] == pytest.approx(wanted)
    app.selection.chosen_runs.value = ["b"]
    one.redraw()
    assert "nothing was attributed" in text(one.body.objects)


def test_what_is_missing_is_said(cube: xr.Dataset) -> None:
    bare = App(make_study(cube, "results.nc"))
    for kind, command in (("HeadsPage", "heads"), ("LayersPage", "layers"), ("AblationsPage", "ablations")):
        one = page(bare, kind)
        one.redraw()
        assert f"sweeps probe (probes {command}" in text(one.body.objects) and not one.kept
    one = page(bare, "TrainingTextPage")
    one.redraw()
    assert "sweeps run of a study with training: {attribution: {}}" in text(one.body.objects) and not one.kept


def test_the_groups_of_a_file_are_shown_and_depths_are_series(
    cube: xr.Dataset, parts: dict[str, xr.Dataset], tmp_path: Path
) -> None:
    path = tmp_path / "c.nc"
    write(cube, path, {name: group.assign_coords(checkpoint=np.arange(N)) for name, group in parts.items()})
    study = read_study(path, {})
    assert set(study.parts) == {"components", "ablations", "attribution"}
    found = calque.detect(path, metric="components/lens_target", by="run,depth", boot=19)
    rows = {row.group for row in found.transitions if row.run == "a-s0"}
    assert rows == {"depth=0", "depth=1", "depth=2"}

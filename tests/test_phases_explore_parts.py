"""The pages of a model's parts: heads, layers, ablations of one run, drawn from the groups of a cube."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
import pytest
import xarray as xr

import calque
from calque.data.cube.file import write
from calque.phases.explore.app import App, prepare
from calque.phases.explore.study import make_study, read_study
from tests.explore_cube import explored
from tests.test_phases_explore_pages import page, pictures, tables, title, within

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning")
N = 30
DEPTHS, STEPS = 3, ("step-1", "step-9")


@pytest.fixture(scope="module", autouse=True)
def prepared() -> None:
    prepare()


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return explored(n=N)


@pytest.fixture(scope="module")
def parts(cube: xr.Dataset) -> dict[str, xr.Dataset]:
    """Groups in which run a-s0 was probed at every other checkpoint."""
    rng, runs = np.random.default_rng(0), cube["run"].values
    heads = np.full((len(runs), N, 2, 3), np.nan)
    heads[0, ::2] = 0.05
    heads[0, 10::2, 1, 2] = 0.9
    adjusted = np.where(heads > 0.5, 0.001, 1.0)
    depth = np.full((len(runs), N, DEPTHS), np.nan)
    depth[0, ::2] = np.linspace(0, 1, len(range(0, N, 2)))[:, None] * np.arange(DEPTHS)
    of_heads, of_depth = ("run", "checkpoint", "layer", "head"), ("run", "checkpoint", "depth")
    named = {"matching": heads, "matching_low": heads - 0.02, "matching_high": heads + 0.02, "matching_deciding": heads,
             "matching_control": np.full_like(heads, 0.04), "matching_p_adjusted": adjusted}  # fmt: skip
    layers = {"lens_target": depth, "lens_target_low": depth - 0.1, "lens_target_high": depth + 0.1,
              "lens_target_control": np.zeros_like(depth), "lens_target_p_adjusted": np.ones_like(depth)}  # fmt: skip
    components = xr.Dataset(
        {**{k: (of_heads, v) for k, v in named.items()}, **{k: (of_depth, v) for k, v in layers.items()}},
        {"run": runs, "layer": [0, 1], "head": [0, 1, 2], "depth": np.arange(DEPTHS)}, {"level": 0.95},
    )  # fmt: skip
    components["lens_target"].attrs = {
        "metric_kind": "continuous",
        "long_name": "of the word",
        "control": "another word",
    }
    swaps = np.full((len(runs), N, 2, 3, 2), np.nan)
    swaps[0, [0, N - 1]] = rng.normal(size=(2, 2, 3, 2))
    change = np.full((len(runs), N, 2, 2, 2), np.nan)
    change[0, N - 1] = rng.normal(size=(2, 2, 2))
    change[0, N - 1, :, 1] = 0
    of_swaps, of_scaling = ("run", "checkpoint", "donor", "range", "measure"), ("component", "factor", "measure")
    ablations = xr.Dataset(
        {
            "swaps": (of_swaps, swaps), "swaps_interaction": (of_swaps, swaps),
            **{f"scaling_change{end}": ((*of_swaps[:2], *of_scaling), change) for end in ("", "_low", "_high")},
            "allocation": (("run", "checkpoint", "component", "loss"), swaps[:, :, :, 0]),
            **{f"head_ablation{end}": (("run", "checkpoint", "repeating"), depth[..., :2]) for end in ("", "_control")},
        },
        {"run": runs, "donor": list(STEPS), "range": ["block 0", "block 1", "rest"],
         "measure": ["translation", "copying"], "loss": ["translation", "copying"],
         "repeating": ["logprob", "probability"], "component": ["embedding", "norm"], "factor": [0.0, 1.0]},
    )  # fmt: skip
    return {"components": components, "ablations": ablations}


@pytest.fixture
def app(cube: xr.Dataset, parts: dict[str, xr.Dataset]) -> App:
    return App(make_study(cube, "results.nc", parts=parts))


def said(objects: Any) -> str:
    return " ".join(str(o.object) for o in within(objects) if isinstance(o, pn.pane.HTML))


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
    assert "1 of 6 (layer.head 1.2)" in said(one.body.objects)
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
    assert "control: another word" in said(one.body.objects)
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
    one.score.value = "allocation"
    one.redraw()
    assert "parts sum to the whole" in said(one.body.objects)
    app.selection.chosen_runs.value = ["b"]
    one.redraw()
    assert "not computed for this run" in said(one.body.objects)


def test_what_is_missing_is_said(cube: xr.Dataset) -> None:
    bare = App(make_study(cube, "results.nc"))
    for kind, command in (("HeadsPage", "heads"), ("LayersPage", "layers"), ("AblationsPage", "ablations")):
        one = page(bare, kind)
        one.redraw()
        assert f"sweeps probe (probes {command}" in said(one.body.objects) and not one.kept


def test_the_groups_of_a_file_are_shown_and_depths_are_series(
    cube: xr.Dataset, parts: dict[str, xr.Dataset], tmp_path: Path
) -> None:
    path = tmp_path / "c.nc"
    write(cube, path, {name: group.assign_coords(checkpoint=np.arange(N)) for name, group in parts.items()})
    study = read_study(path, {})
    assert set(study.parts) == {"components", "ablations"}
    found = calque.detect(path, metric="components/lens_target", by="run,depth", boot=19)
    rows = {row.group for row in found.transitions if row.run == "a-s0"}
    assert rows == {"depth=0", "depth=1", "depth=2"}

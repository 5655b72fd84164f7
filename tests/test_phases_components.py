"""Scores of heads through ``phases detect``: single heads, types, and their lag to behaviour in the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import calque
from calque.data.cube.file import write
from calque.data.errors import UserError
from calque.phases.series.components import with_components
from calque.phases.series.head_types import described, of_type

N, LAYERS, HEADS, PROMPTS = 24, 2, 3, 8
TOKENS = np.geomspace(1e6, 1e9, N)
CHOSEN = ((0, 1), (1, 2))
"""The heads that rise, near 2e7 tokens; copying rises near 1e8."""


def rise(middle: float) -> Any:
    return 1 / (1 + (middle / TOKENS) ** 3)


@pytest.fixture(scope="module")
def cube() -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    rng = np.random.default_rng(0)
    by_prompt = 0.05 + 0.01 * rng.normal(size=(1, N, LAYERS, HEADS, PROMPTS))
    for at in CHOSEN:
        by_prompt[0, :, *at] += 0.8 * rise(2e7)[:, None]
    score = by_prompt.mean(-1)
    deciding = score + 0.005 * rng.normal(size=score.shape)
    adjusted = np.ones_like(score)
    adjusted[0, -1, 0, 1] = adjusted[0, -1, 1, 2] = 0.001
    adjusted[0, -1, 0, 0] = 0.001  # above its control for sure, and by little
    adjusted[0, 12] = 0.001  # what an earlier checkpoint says decides nothing
    dims = ("run", "checkpoint", "layer", "head")
    about = {"metric_kind": "proportion", "long_name": "attention to what followed", "units": "1"}
    group = xr.Dataset(
        {
            "sha256": (dims[:2], np.full((1, N), "x", object)),
            "matching": (dims, score, about),
            "matching_deciding": (dims, deciding),
            "matching_control": (dims, np.full_like(score, 0.04)),
            "matching_p_adjusted": (dims, adjusted),
            "matching_by_prompt": ((*dims, "prompt"), by_prompt),
        },
        {"run": ["one"], "checkpoint": np.arange(N), "layer": [0, 1], "head": [0, 1, 2]},
        {"level": 0.95},
    )
    copied = rng.binomial(400, 0.02 + 0.7 * rise(1e8)[None])
    root = xr.Dataset(
        {
            "tokens": (dims[:2], TOKENS[None]),
            "copied": (dims[:2], copied.astype(float), {"metric_kind": "count", "trials": 400}),
        },
        {"run": ["one"]},
    )  # fmt: skip
    return root, {"components": group}


@pytest.fixture(scope="module")
def path(cube: tuple[xr.Dataset, dict[str, xr.Dataset]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("components") / "c.nc"
    write(cube[0], file, cube[1])
    return file


def test_a_type_is_of_the_last_checkpoint_and_of_a_size(cube: tuple[xr.Dataset, dict[str, xr.Dataset]]) -> None:
    root, groups = cube
    group = groups["components"]
    assert tuple(map(tuple, np.argwhere(of_type(group, "matching", 0)).tolist())) == CHOSEN
    found, types = with_components(root, groups, ["components/matching_heads"])
    score = group["matching"].values
    np.testing.assert_allclose(found["components.matching_heads"], (score[:, :, 0, 1] + score[:, :, 1, 2]) / 2)
    others = [score[:, :, i, j] for i in range(2) for j in range(3) if (i, j) not in CHOSEN]
    np.testing.assert_allclose(found["components.matching_other_heads"], np.mean(others, axis=0))
    [one] = types
    assert one.heads == CHOSEN and one.all == 6
    by_prompt = group["matching_by_prompt"].values[0, -1]
    pooled = (by_prompt[0, 1] + by_prompt[1, 2]) / 2
    np.testing.assert_allclose((one.low, one.high), stats.ttest_1samp(pooled, 0).confidence_interval())
    np.testing.assert_allclose(one.score, pooled.mean())
    pairs = np.array(others)[:, 0, -1]
    means = [np.mean([pairs[i], pairs[j]]) for i in range(4) for j in range(i)]
    np.testing.assert_allclose((one.other_low, one.other_high), (min(means), max(means)))
    np.testing.assert_allclose(one.other, pairs.mean())


def test_the_lag_of_heads_to_behaviour_has_one_interval(path: Path) -> None:
    """Where each is 5 points above its floor, by its formula; and what the notes say."""
    heads = "components/matching_heads"
    found = calque.detect(path, metric=[heads, "copied"], lags=[(heads, "copied")], boot=39)
    [lag] = found.lags
    assert (lag.first, lag.second, lag.outcome) == (heads, "copied", "found")
    truth = np.log(1e8 * (0.05 / 0.65) ** (1 / 3)) - np.log(2e7 * (0.05 / 0.75) ** (1 / 3))
    assert truth / 2 < lag.low < truth < lag.high < truth * 2
    takeoff = {row.metric: row for row in found.transitions if row.estimand == "takeoff"}
    assert takeoff[heads].high < takeoff["copied"].low
    [said] = [note for note in found.report.notes if note.startswith(f"{heads} of run")]
    assert "2 of 6 (layer.head 0.1, 1.2)" in said and "over prompts" in said and "as many others at random" in said
    assert any("does not show that they cause it" in note for note in found.report.notes)


def test_single_heads_are_series(path: Path) -> None:
    found = calque.detect(path, metric="components/matching", by="layer,head", boot=19)
    takeoffs = {row.group: row.outcome for row in found.transitions if row.estimand == "takeoff"}
    assert len(takeoffs) == 6
    assert {group for group, outcome in takeoffs.items() if outcome == "found"} == {"layer=0 head=1", "layer=1 head=2"}
    assert not any("cause" in note for note in found.report.notes)


def test_what_has_no_heads_is_refused(path: Path, cube: tuple[xr.Dataset, dict[str, xr.Dataset]]) -> None:
    root, groups = cube
    with pytest.raises(UserError, match="names 'components', a group that the cube lacks; write it with sweeps probe"):
        calque.detect(root, metric="components/matching_heads")
    with pytest.raises(UserError, match="`metric` has 'components/other', which is not in the cube"):
        calque.detect(path, metric="components/other", boot=19)
    group = groups["components"]
    none = group.assign(matching_control=group["matching_control"] + 1)
    said = "no head is of this type: none is above its control by 0.1 at the last checkpoint; look at single heads"
    with pytest.raises(UserError, match=said):
        with_components(root, {"components": none}, ["components/matching_heads"])
    assert described(none, "matching", 0).sentence().endswith("none of 6 heads is above its control by 0.1 at the last "
                                                              "checkpoint")  # fmt: skip
    for other in (group.assign_coords(run=["two"]), group.isel(checkpoint=slice(5))):
        with pytest.raises(UserError, match="has other runs or checkpoints than its cube"):
            with_components(root, {"components": other}, [])

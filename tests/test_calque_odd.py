"""The Python interface with odd names, and with cubes as results and paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

import calque
from calque.data.errors import UserError
from tests.phases_cube import study

mpl.use("agg")
ROOT = Path(__file__).parent.parent
ODD = ("mix[en,de]", "[red]a[/red]", "base[/bold]", ":smile: run", "a$_$b", "x" * 150, "é <b>")


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return study(runs=1, n=16, languages=4, concepts=8)[0]


@pytest.mark.parametrize("name", ODD)
def test_names_are_shown_as_they_are(cube: xr.Dataset, name: str, tmp_path: Path) -> None:
    odd = cube.assign_coords(run=[name])
    noise = np.random.default_rng(0).normal(0, 20, odd["tokens"].shape)
    odd[name] = odd["tokens"] ** 0.5 + noise
    odd[name].attrs = {"metric_kind": "continuous"}
    found = calque.detect(odd, boot=19, metric=["copying", name])
    shown = found.summary(600)
    assert name in shown and list(found.to_dataframe()["run"].unique()) == [name]
    assert found._repr_html_()
    for axes in (found.plot(), found.plot(metric=name), odd.calque.plot(name)):
        axes.figure.savefig(tmp_path / "x.png")


def test_a_picture_shows_what_is_asked_and_names_the_run(cube: xr.Dataset) -> None:
    two = calque.detect(cube, boot=19, by="target", metric=["copying", "translation_logprob"])
    axes = two.plot()
    assert axes.get_legend().get_title().get_text() == "seed0 target=en"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["copying"]
    axes = two.plot(group="target=de", metric="translation_logprob")
    assert axes.get_ylabel() == "translation logprob" and axes.get_legend().get_title().get_text().endswith("target=de")
    with pytest.raises(UserError, match="`metric` is 'copyin'; run 'seed0' has copying"):
        two.plot(metric="copyin")
    with pytest.raises(UserError, match="`group` is 'de'; it is one of target=en"):
        two.plot(group="de")


def test_results_and_paths_are_cubes_for_reading_writing_and_joining(cube: xr.Dataset, tmp_path: Path) -> None:
    log = calque.import_log(ROOT / "docs/examples/log.csv", metric="accuracy", tokens="tokens", trials=125)
    calque.write(log, tmp_path / "log.nc")
    joined = calque.concat([tmp_path / "log.nc", cube])
    assert [str(run) for run in joined["run"].values] == [*map(str, log.cube["run"].values), "seed0"]
    with pytest.raises(UserError, match="variable 'quiz/acc' cannot be written: netCDF allows no slash"):
        calque.write(log.cube.rename(accuracy="quiz/acc"), tmp_path / "x.nc")


def test_a_result_is_short_where_it_is_only_named(cube: xr.Dataset) -> None:
    found = calque.detect(cube, boot=19, metric="copying")
    assert repr(found).startswith("<Detection: ") and len(repr(found)) < 120


@pytest.mark.parametrize("by", ["pair", "source"])
def test_a_metric_without_languages_is_not_split_by_them(by: str) -> None:
    log = calque.import_log(ROOT / "docs/examples/log.csv", metric="accuracy", tokens="tokens", trials=125)
    calls: list[Any] = [lambda: calque.detect(log, boot=19, by=by), lambda: log.cube.calque.rates("accuracy", by)]
    for call in calls:
        with pytest.raises(UserError, match=f"split by {by}; leave it out of `by`"):
            call()

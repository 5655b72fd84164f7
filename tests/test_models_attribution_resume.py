"""Attribution in the training loop: part of the states, so that a run that was stopped has the same tables."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import xarray as xr

from calque.data.errors import UserError
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.loop import StoppedError, train
from tests.attributed_training import PAIRS, SHAPE, STEPS, Text, config, observer

SETTINGS = config(attribution=replace(config().attribution, every=3))
CHECKPOINTS = (0, 4, STEPS)


def go(
    folder: Path, settings: TrainingConfig = SETTINGS, stop_at: int | None = None, attributed: bool = True
) -> tuple[dict[int, str], dict[int, xr.Dataset | None]]:
    digests: dict[int, str] = {}
    tables: dict[int, xr.Dataset | None] = {}
    seen, taken = observer(settings), 0

    def keep(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        digests[step], tables[step] = sha256.result(), seen.table

    def stop() -> bool:
        nonlocal taken
        taken += 1
        return taken == stop_at

    train(
        Decoder(SHAPE, seed=0), settings, Text(), CHECKPOINTS, folder, keep, state_seconds=0, stop=stop,
        observer=seen if attributed else None,
    )  # fmt: skip
    return digests, tables


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[int, str], dict[int, xr.Dataset | None]]:
    return go(tmp_path_factory.mktemp("whole"))


def test_weights_are_those_of_a_run_without_it(whole: tuple[dict[int, str], object], tmp_path: Path) -> None:
    assert go(tmp_path, attributed=False)[0] == whole[0]


@pytest.mark.parametrize("stop_at", [4, 5, 8])
def test_a_run_that_was_stopped_has_the_same_tables_bit_for_bit(
    stop_at: int, whole: tuple[dict[int, str], dict[int, xr.Dataset | None]], tmp_path: Path
) -> None:
    """At a checkpoint, and within a segment, with and without one before it since the checkpoint."""
    with pytest.raises(StoppedError):
        go(tmp_path, stop_at=stop_at)
    digests, tables = go(tmp_path)
    assert digests == {step: whole[0][step] for step in digests} and STEPS in digests
    for step, table in tables.items():
        assert table is not None and whole[1][step] is not None
        xr.testing.assert_identical(table, whole[1][step])


def test_tables_are_of_the_steps_between_checkpoints(whole: tuple[object, dict[int, xr.Dataset | None]]) -> None:
    tables = whole[1]
    assert tables[0] is None and tables[4] is not None and tables[STEPS] is not None
    assert [float(tables[step]["segments"]) for step in (4, STEPS)] == [2, 3]  # up to 3, 4; up to 6, 9, 10
    assert float(tables[STEPS]["gap"].max()) <= 0.01


def test_a_state_of_other_pairs_is_refused_and_of_none_is_of_the_rest(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        go(tmp_path / "a", stop_at=8)
    other = replace(SETTINGS, attribution=replace(SETTINGS.attribution, pairs=PAIRS[:2]))
    with pytest.raises(UserError, match="training.attribution has other pairs, clusters or text than the state"):
        go(tmp_path / "a", other)
    with pytest.raises(StoppedError):
        go(tmp_path / "b", stop_at=4, attributed=False)
    _, tables = go(tmp_path / "b")
    table = tables[STEPS]
    assert table is not None and float(table["gap"].max()) <= 0.01
    rest = table["attribution"].sel(trained_on="rest")
    assert float(abs(rest).max()) > 0.1 * float(abs(table["attribution"]).max())
    assert torch.isfinite(torch.from_numpy(rest.values)).all()

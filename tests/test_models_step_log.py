"""The log of steps: every step once, whatever was killed; its summary is that of its rows."""

from __future__ import annotations

import math
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from calque.data.errors import UserError
from calque.models.config.devices import DEVICES, peak_of_name
from calque.models.decoder.decoder import Decoder
from calque.models.training.loop import train
from calque.models.training.monitoring.step_log import COLUMNS, FILE, LoggedStep, StepLog, read_steps
from tests import distributed_training as small

STEPS = (0, 10, 20, 50)


class Stop(Exception):
    pass


def go(folder: Path, stop_at: int | None = None, **fields: object) -> list[dict[str, float]]:
    """Train, up to the checkpoint ``stop_at``; return the summary of every checkpoint."""
    settings = small.config(**fields)
    folder.mkdir(exist_ok=True)
    log, found = StepLog(folder, small.SHAPE, settings), []

    def keep(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        before = max((kept for kept in STEPS if kept < step), default=-1)
        found.append(log.summary(before, step))
        if step == stop_at:
            raise Stop

    try:
        train(Decoder(small.SHAPE, seed=0), settings, small.Cycle(), STEPS, folder, keep, state_seconds=0, step_log=log)
    except Stop:
        pass
    finally:
        log.close()
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, float]]]:
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, go(folder)


def test_every_step_is_logged_with_its_values(whole: tuple[Path, list[dict[str, float]]]) -> None:
    table = pd.read_csv(whole[0] / FILE)
    assert tuple(table.columns) == COLUMNS and list(table["step"]) == list(range(1, 51))
    np.testing.assert_array_equal(table["tokens"], table["step"] * 128)
    assert table["loss"].iloc[0] == pytest.approx(math.log(30), abs=0.8) and table["loss"].iloc[-1] < 2.9
    rate = small.config().learning_rate
    np.testing.assert_allclose(table["learning_rate"].iloc[:5], rate * np.array([0.25, 0.5, 0.75, 1, 1]), rtol=1e-6)
    assert table["learning_rate"].iloc[-1] < 0.1 * rate, "decayed"
    assert (table["seconds"] > 0).all() and table["utilisation"].isna().all(), "the peak of a CPU is not known"
    np.testing.assert_allclose(table["tokens_per_second"], 128 / table["seconds"], rtol=1e-6)


def test_a_summary_is_that_of_the_steps_since_the_checkpoint_before(whole: tuple[Path, list[dict[str, float]]]) -> None:
    folder, found = whole
    table = pd.read_csv(folder / FILE)
    assert found[0] == {}
    for summary, first, last in zip(found[1:], STEPS, STEPS[1:], strict=False):
        part = table[(table["step"] > first) & (table["step"] <= last)]
        assert summary["training_loss"] == pytest.approx(part["loss"].mean(), rel=1e-6)
        assert summary["gradient_norm"] == pytest.approx(part["gradient_norm"].mean(), rel=1e-6)
        assert summary["largest_gradient_norm"] == pytest.approx(part["gradient_norm"].max(), rel=1e-6)
        assert summary["learning_rate"] == pytest.approx(part["learning_rate"].iloc[-1], rel=1e-6)
        expected = 128 * len(part) / part["seconds"].sum()
        assert summary["logged_tokens_per_second"] == pytest.approx(expected, rel=1e-6)
        assert math.isnan(summary["utilisation"]) and summary["skipped_steps"] == 0


@pytest.mark.parametrize("damage", ["none", "cut", "lost"])
def test_a_killed_run_logs_every_step_once(
    tmp_path: Path, whole: tuple[Path, list[dict[str, float]]], damage: str
) -> None:
    """The kill comes at the checkpoint of step 50, the newest state is of step 20: steps 21 to 50 come again."""
    assert go(tmp_path / "cut", stop_at=50)[-1]["training_loss"] == whole[1][-1]["training_loss"]
    path = tmp_path / "cut" / FILE
    assert [each.step for each in read_steps(path)] == list(range(1, 51))
    if damage == "cut":
        path.write_text(path.read_text()[:-9])
    elif damage == "lost":
        path.unlink()
    summary = go(tmp_path / "cut")[-1]
    first = 21 if damage == "lost" else 1
    values = ["step", "loss", "gradient_norm", "learning_rate"]
    expected = pd.read_csv(whole[0] / FILE)[values].iloc[first - 1 :].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv(path)[values], expected)
    assert summary["training_loss"] == whole[1][-1]["training_loss"]


def test_steps_that_are_skipped_are_counted_and_no_part_of_the_means(tmp_path: Path) -> None:
    log = StepLog(tmp_path, small.SHAPE, small.config())
    log.begin(0)
    rows = [(1, 3.0, False), (2, math.nan, True), (3, 2.0, False)]
    log.add(
        LoggedStep(step=step, loss=loss, gradient_norm=loss, learning_rate=0.1, seconds=0.5, skipped=skipped)
        for step, loss, skipped in rows
    )
    assert [(each.step, each.skipped) for each in read_steps(tmp_path / FILE)] == [(1, False), (2, True), (3, False)]
    assert math.isnan(read_steps(tmp_path / FILE)[1].loss)
    summary = log.summary(0, 3)
    assert (summary["training_loss"], summary["largest_gradient_norm"], summary["skipped_steps"]) == (2.5, 3.0, 1.0)
    assert summary["logged_tokens_per_second"] == 3 * 128 / 1.5
    assert log.summary(3, 3) == {}


def test_utilisation_is_of_all_devices_and_of_the_peak_of_the_precision(tmp_path: Path) -> None:
    assert peak_of_name("NVIDIA H200", "bf16-mixed") == DEVICES["h200"].bf16
    assert peak_of_name("NVIDIA A100-SXM4-80GB", "32-true") == DEVICES["a100"].float32
    assert peak_of_name("NVIDIA GeForce RTX 4090", "32-true") is None
    log = StepLog(tmp_path, small.SHAPE, small.config(devices=2, precision="bf16-mixed"))
    log.begin(0, "NVIDIA H200")
    log.add([LoggedStep(step=1, loss=1.0, gradient_norm=1.0, learning_rate=0.1, seconds=0.25)])
    expected = 128 / 0.25 * small.SHAPE.flops_per_token(16) / (2 * 989.4e12)
    assert log.summary(0, 1)["utilisation"] == pytest.approx(expected, rel=1e-12)
    assert pd.read_csv(tmp_path / FILE)["utilisation"].iloc[0] == pytest.approx(expected, rel=1e-8)


def test_tensorboard_has_every_step_once_after_a_kill(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    go(tmp_path / "run", stop_at=50, tensorboard=True)
    go(tmp_path / "run", tensorboard=True)
    read = event_accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard" / "steps"))
    read.Reload()
    events = read.Scalars("step/loss")
    assert [event.step for event in events] == [step * 128 for step in range(1, 51)]
    losses = [each.loss for each in read_steps(tmp_path / "run" / FILE)]
    np.testing.assert_allclose([event.value for event in events], losses, rtol=1e-6)


def test_tensorboard_without_its_package_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="training.tensorboard is yes, but the package tensorboardX is missing"):
        StepLog(tmp_path, small.SHAPE, small.config(tensorboard=True))


def test_the_log_reads_many_steps_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[int] = []
    add = StepLog.add

    def count(log: StepLog, steps: list[LoggedStep], sync: bool = False) -> None:
        added.append(len(steps))
        add(log, steps, sync)

    monkeypatch.setattr(StepLog, "add", count)
    go(tmp_path / "run")
    assert sum(added) == 50 and max(added) > 10, "values are read at checkpoints and about once a second"

"""Steps far above their recent history are skipped when asked, counted, and judged the same after a kill."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.models.decoder.decoder import Decoder
from calque.models.training.loop import train
from calque.models.training.monitoring.spikes import SpikeWatch
from calque.models.training.monitoring.step_log import FILE, StepLog, read_steps
from calque.models.training.workers import launch
from tests import distributed_training as small

SPIKE = 30
STEPS = (0, 10, 20, 40, 50)


class Spiky(small.Cycle):
    """Once, sequences that count down: what was learned is wrong there."""

    def batch(self, step: int) -> NDArray[np.int64]:
        tokens = super().batch(step)
        return np.ascontiguousarray(tokens[:, ::-1]) if step == SPIKE else tokens


class Stop(Exception):
    pass


def go(folder: Path, stop_at: int | None = None, **fields: object) -> tuple[list[int], dict[str, torch.Tensor]]:
    """Train; return the steps that were skipped, and the weights at the end."""
    settings = small.config(**{"skip_spikes": 6.0, "spike_history": 16, "learning_rate": 0.01} | fields)
    folder.mkdir(exist_ok=True)
    log, decoder = StepLog(folder, small.SHAPE, settings), Decoder(small.SHAPE, seed=0)

    def keep(step: int, *rest: object) -> None:
        if step == stop_at:
            raise Stop

    try:
        train(decoder, settings, Spiky(), STEPS, folder, keep, state_seconds=0, accelerator="cpu", step_log=log)
    except Stop:
        pass
    return [each.step for each in read_steps(folder / FILE) if each.skipped], decoder.state_dict()


def run_spiky(settings: object, folder: Path) -> None:
    go(folder, devices=2, strategy="ddp")


def test_a_spike_is_skipped_and_the_weights_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "calque"):
        skipped, weights = go(tmp_path / "on")
    assert skipped == [SPIKE + 1] and "step 31 is skipped: loss " in caplog.text
    none, others = go(tmp_path / "off", skip_spikes=0.0)
    assert none == [] and any(not torch.equal(weights[name], others[name]) for name in weights)
    summary = read_steps(tmp_path / "on" / FILE)[SPIKE]
    assert summary.loss > 1.2 * read_steps(tmp_path / "on" / FILE)[SPIKE - 1].loss


def test_the_history_outlives_a_kill(tmp_path: Path) -> None:
    whole = go(tmp_path / "whole")
    go(tmp_path / "cut", stop_at=40)  # the state is of step 20: step 31 is judged with the history from before it
    skipped, weights = go(tmp_path / "cut")
    assert skipped == whole[0] and all(torch.equal(weights[name], whole[1][name]) for name in weights)


def test_two_processes_skip_the_same_step(tmp_path: Path) -> None:
    folder = tmp_path / "two"
    launch(run_spiky, 2, None, folder, restarts=0)
    assert [each.step for each in read_steps(folder / FILE) if each.skipped] == [SPIKE + 1]


def test_a_step_is_judged_by_the_steps_before_it() -> None:
    rng, watch = np.random.default_rng(0), SpikeWatch(6.0, 32)
    values = rng.normal(3.0, 0.1, (200, 2))
    assert not any(watch.is_spike(*row) for row in values[:100])
    assert watch.is_spike(4.0, 3.0) and watch.is_spike(3.0, 8.0), "either of loss and gradient norm"
    assert not watch.is_spike(0.5, 0.1), "a fall is none"
    fresh = SpikeWatch(6.0, 32)
    assert not any(fresh.is_spike(*row) for row in [*values[:31], (90.0, 90.0)][:31]) and len(fresh.recent) == 31
    assert not fresh.is_spike(90.0, 90.0), "not before the history is full"
    assert not SpikeWatch(0.0, 32).is_spike(1e9, 1e9)


def test_a_rise_that_lasts_is_soon_part_of_the_history() -> None:
    rng, watch = np.random.default_rng(1), SpikeWatch(6.0, 32)
    for row in rng.normal(3.0, 0.1, (64, 2)):
        watch.is_spike(*row)
    found = [watch.is_spike(*row) for row in rng.normal(6.0, 0.1, (32, 2))]
    assert found[0] and sum(found) < 4


def test_values_that_are_not_finite_are_no_history() -> None:
    watch = SpikeWatch(6.0, 4)
    watch.is_spike(math.nan, 1.0)
    assert watch.history().shape == (0, 2)
    watch.go_on_from(np.ones((3, 2)))
    assert watch.history().tolist() == [[1.0, 1.0]] * 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"skip_spikes": -1.0}, "training.skip_spikes is -1.0; expected 0 or more"),
        ({"skip_spikes": 6.0, "spike_history": 1}, "training.spike_history is 1; expected 2 or more"),
    ],
)
def test_impossible_values_are_refused(fields: dict[str, float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        small.config(**fields)

"""Many devices give what one gives; a dead process costs nothing but its time."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from calque.data.errors import UserError
from calque.models.checkpoints import digests
from calque.models.checkpoints.state import load_state, newest_states
from calque.models.checkpoints.weights import copy_to_memory, load_weights, serialise_weights, weights_path
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.optimizer import configure
from calque.models.training.strategy import fabric_for
from calque.models.training.workers import launch
from tests import distributed_muon
from tests import distributed_training as small

pytestmark = pytest.mark.xdist_group("processes")


def losses(folder: Path) -> dict[int, float]:
    return {int(step): loss for step, loss in json.loads((folder / "losses.json").read_text()).items()}


def together(folder: Path, settings: TrainingConfig, *arguments: int, restarts: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    launch(small.run, settings.devices, settings, folder, *arguments, restarts=restarts)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    small.run(small.config(), folder)
    return folder


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return together(tmp_path_factory.mktemp("sharded"), small.config(devices=2, strategy="fsdp2"))


def equal(one: Path, other: Path) -> None:
    expected, found = losses(one), losses(other)
    assert len(found) == small.STEPS
    assert expected[50] < expected[1] - 0.5, "it must have learned something"
    assert found == pytest.approx(expected, abs=1e-6)
    weights = [load_weights(Decoder(small.SHAPE), weights_path(folder, 50)).state_dict() for folder in (one, other)]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, atol=1e-4, rtol=1e-3, msg=name)


def test_two_sharded_processes_equal_one(alone: Path, sharded: Path) -> None:
    equal(alone, sharded)


def test_weights_drawn_in_shards_are_those_of_one_decoder(alone: Path, sharded: Path) -> None:
    """Each process allocates and draws nothing twice: 1.7B took 49 s and 6.7 GB of each."""
    expected = serialise_weights(copy_to_memory(Decoder(small.SHAPE, seed=0).state_dict()), small.SHAPE.tied)[1]
    for folder in (alone, sharded):
        assert json.loads((folder / "digests.json").read_text())["0"] == expected


def test_sharded_states_are_written_while_training_goes_on(tmp_path: Path) -> None:
    """What is written is the state as it was, although ten steps were taken before it was."""
    launch(small.run_beside_a_slow_state, 2, small.config(devices=2, strategy="fsdp2"), tmp_path, restarts=0)
    begin, end = sorted((tmp_path / "states").glob("step-*.ckpt"))
    for path, step in ((begin, 0), (end, small.STEPS)):
        decoder, expected = Decoder(small.SHAPE, drawn=False), Decoder(small.SHAPE, seed=0)
        assert load_state(path, decoder, configure(decoder, small.config())).step == step
        if step:
            load_weights(expected, weights_path(tmp_path, step))
        assert all(torch.equal(a, b) for a, b in zip(decoder.parameters(), expected.parameters(), strict=True))


def test_two_whole_processes_with_accumulated_gradients_equal_one(alone: Path, tmp_path: Path) -> None:
    equal(alone, together(tmp_path, small.config(devices=2, strategy="ddp", micro_batch_size=2)))


def test_a_killed_process_ends_all_and_the_run_goes_on_to_the_same_losses(
    alone: Path, sharded: Path, tmp_path: Path
) -> None:
    """The last state before the kill is that of step 20; both processes go on from there, and one alone does too."""
    began = time.monotonic()
    together(tmp_path, small.config(devices=2, strategy="fsdp2"), 25, 10, restarts=1)
    assert (tmp_path / "killed").exists()
    assert time.monotonic() - began < 300, "the other must not wait for half an hour"
    undisturbed = losses(sharded)
    found = losses(tmp_path)
    assert min(found) > 20
    assert found == {step: undisturbed[step] for step in found} and {30, 40, 50} <= set(found)
    for state in newest_states(tmp_path / "states"):
        assert state.is_dir() and len(list(state.glob("*.safetensors"))) == 2

    go_back_to_step_40(tmp_path)
    small.run(small.config(), tmp_path, every=10)
    assert losses(tmp_path)[50] == pytest.approx(losses(alone)[50], abs=1e-6)
    assert newest_states(tmp_path / "states")[0].is_file()


@pytest.mark.slow
def test_a_state_of_one_process_goes_on_over_four(alone: Path, tmp_path: Path) -> None:
    small.run(small.config(), tmp_path, every=10)
    go_back_to_step_40(tmp_path)
    together(tmp_path, small.config(devices=4, strategy="fsdp2"), -1, 10)
    assert losses(tmp_path)[50] == pytest.approx(losses(alone)[50], abs=1e-6)
    assert len(list(newest_states(tmp_path / "states")[0].glob("*.safetensors"))) == 4


@pytest.mark.slow
def test_a_run_goes_on_over_four_two_and_one_process(alone: Path, tmp_path: Path) -> None:
    """Killed in step 25 with four processes, which sharded the state of step 20, and in step 35 with two."""
    for processes, kill_at, newest in ((4, 25, 20), (2, 35, 30)):
        with pytest.raises(RuntimeError, match=rf"process [1-3] of {processes} ended"):
            together(tmp_path, small.config(devices=processes, strategy="fsdp2"), kill_at, 10)
        (tmp_path / "killed").unlink()
        state = newest_states(tmp_path / "states")[0]
        assert state.name == f"step-{newest:08d}.ckpt" and len(list(state.glob("*.safetensors"))) == processes
    small.run(small.config(), tmp_path, every=10)
    found, expected = losses(tmp_path), losses(alone)
    assert set(found) >= {40, 50} and found[40] == pytest.approx(expected[40], abs=1e-6)
    assert found[50] == pytest.approx(expected[50], abs=1e-6)


@pytest.mark.slow
def test_the_last_death_is_told_by_process(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="process 1 of 2 ended with exit code -9, 0 restarts included"):
        launch(small.die, 2, restarts=0)


def go_back_to_step_40(folder: Path) -> None:
    newest, before = newest_states(folder / "states")
    digests.remove(newest)
    assert before.name == "step-00000040.ckpt"


def test_devices_and_processes_must_agree() -> None:
    with pytest.raises(UserError, match="training.devices is 2, but 1 process was started"):
        fabric_for(small.config(devices=2), "cpu")
    with pytest.raises(UserError, match="batch_size is 8, which 3 devices cannot share"):
        small.config(devices=3)
    with pytest.raises(UserError, match="micro_batch_size is 3; expected a divisor of the 4"):
        small.config(devices=2, micro_batch_size=3)


@pytest.mark.parametrize("processes", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_muon_is_dealt_over_processes_and_equals_that_of_one(processes: int) -> None:
    """A process exchanges twice a round of matrices and multiplies its own alone; its own assertions say so."""
    launch(distributed_muon.run, processes, restarts=0)

"""What happens beside the step: batches made ahead, files written behind, losses read now and then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from calque.models.checkpoints.digests import digest_of as read_digest
from calque.models.checkpoints.state import newest_states
from calque.models.checkpoints.weights import Weights
from calque.models.checkpoints.writer import BackgroundWriter
from calque.models.decoder.decoder import Decoder
from calque.models.training.loader import Loader
from calque.models.training.loop import train
from calque.models.training.monitoring.loss_monitor import UNREAD, LossMonitor
from tests import distributed_training as small

CPU = torch.device("cpu")


class Numbered:
    def batch(self, step: int) -> NDArray[np.int64]:
        return np.full((4, 3), step) * 10 + np.arange(4)[:, None]


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("loader", "writer"))]


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_batches_come_in_order_and_are_dealt_over_processes(ahead: int) -> None:
    for rank in (0, 1):
        rows = [batch[:, 0].tolist() for batch in Loader(Numbered(), 5, 9, CPU, rank, 2, ahead)]
        assert rows == [[10 * step + rank, 10 * step + rank + 2] for step in range(5, 9)]


def test_a_batch_that_cannot_be_made_is_raised_where_it_is_used() -> None:
    class Broken(Numbered):
        def batch(self, step: int) -> NDArray[np.int64]:
            if step == 3:
                raise OSError("the disk is gone")
            return super().batch(step)

    loader, taken = iter(Loader(Broken(), 0, 9, CPU, ahead=2)), 0
    with pytest.raises(OSError, match="the disk is gone"):
        for taken, _ in enumerate(loader, 1):  # noqa: B007 - counted
            pass
    assert taken == 3


def test_leaving_early_ends_the_thread() -> None:
    loader = iter(Loader(Numbered(), 0, 10**9, CPU, ahead=2))
    next(loader)
    del loader


def test_jobs_are_done_in_order_with_few_waiting() -> None:
    done: list[int] = []
    begun = threading.Event()
    go = threading.Event()

    def slow() -> None:
        begun.set()
        go.wait(10)
        done.append(0)

    with BackgroundWriter(waiting=1) as writer:
        writer.submit(slow)
        begun.wait(10)
        writer.submit(lambda: done.append(1))
        blocked = threading.Thread(target=lambda: writer.submit(lambda: done.append(2)))
        blocked.start()
        blocked.join(0.2)
        assert blocked.is_alive(), "a third job must wait for room"
        go.set()
        blocked.join(10)
    assert done == [0, 1, 2]


def test_the_first_error_of_a_writer_stops_what_follows() -> None:
    done: list[int] = []

    def fail() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"), BackgroundWriter() as writer:
        writer.submit(fail).exception()
        writer.submit(lambda: done.append(1))
    assert not done
    with pytest.raises(OSError, match="No space left"), BackgroundWriter() as writer:
        writer.submit(fail)  # at the end
    with pytest.raises(ZeroDivisionError), BackgroundWriter() as writer:
        writer.submit(fail)
        raise ZeroDivisionError


def test_a_disk_that_fills_stops_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import calque.models.training.checkpointer

    def full(path: Path, content: bytes, digest: str) -> None:
        if "20" in path.name:
            raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(calque.models.training.checkpointer, "write_weights", full)
    scored: list[int] = []
    with pytest.raises(OSError, match="step-00000020"):
        train(
            Decoder(small.SHAPE, seed=0), small.config(), small.Cycle(), (0, 10, 20, 30, 40, 50), tmp_path,
            lambda step, *rest: scored.append(step), state_seconds=0,
        )  # fmt: skip
    assert scored in ([0, 10, 20], [0, 10, 20, 30])
    assert newest_states(tmp_path / "states")[0].name == "step-00000010.ckpt"


def test_training_does_not_wait_for_the_disk_and_all_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import calque.models.training.checkpointer

    serialise, trained = calque.models.training.checkpointer.serialise_weights, threading.Event()

    def slow(weights: Weights, tied: bool) -> tuple[bytes, str]:
        assert trained.wait(60)
        return serialise(weights, tied)

    monkeypatch.setattr(calque.models.training.checkpointer, "serialise_weights", slow)
    asked: list[Future[str]] = []

    def score(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        asked.append(sha256)
        if step == 50:
            assert not list(tmp_path.glob("weights/*.safetensors"))
            trained.set()

    train(Decoder(small.SHAPE, seed=0), small.config(), small.Cycle(), (0, 50), tmp_path, score)
    digests = {path.name: read_digest(path) for path in tmp_path.glob("weights/*.safetensors")}
    assert sorted(digests.values()) == sorted(future.result() for future in asked)
    assert len(set(digests.values())) == 2, "copies, taken before the next step"


def test_a_watch_reads_late_and_names_the_first_bad_step() -> None:
    watch = LossMonitor()
    for step in range(1, 10):
        watch.add(
            step, torch.tensor(float("inf") if step > 6 else step), torch.tensor(1.0 if step != 5 else float("nan"))
        )
    with pytest.raises(FloatingPointError, match=r"gradient's norm is nan at step 5 \(batch 4 "):
        watch.read()
    watch = LossMonitor()
    watch.add(1, torch.tensor(float("nan")), torch.tensor(1.0))
    with pytest.raises(FloatingPointError, match="loss is nan at step 1"):
        for step in range(2, UNREAD + 3):
            watch.add(step, torch.tensor(1.0), torch.tensor(1.0))

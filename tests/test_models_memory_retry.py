"""Running out of memory in the first step: smaller micro-batches, recorded; later, or with one row, it is an error."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch

from calque.models.decoder.decoder import Decoder
from calque.models.decoder.loss import Objective
from calque.models.training import rows
from calque.models.training.loop import train
from calque.models.training.strategy import ALLOCATOR, fabric_for
from tests import distributed_training as small


def go(folder: Path, **fields: Any) -> list[str]:
    """Train, and return the hashes of the weights of two checkpoints."""
    digests: list[str] = []

    def keep(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        digests.append(sha256.result())

    train(Decoder(small.SHAPE, 0), small.config(**fields), small.Cycle(), (10, 50), folder, keep, accelerator="cpu")
    return digests


def memory_for(most: int, monkeypatch: pytest.MonkeyPatch, after: int = 0) -> list[int]:
    """Let the objective raise for more than so many rows, from a number of calls on; return the rows of its calls."""
    forward, seen = Objective.forward, list[int]()

    def limited(
        self: Objective, tokens: torch.Tensor, targets: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(len(tokens))
        if len(tokens) > most and len(seen) > after:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, tokens, targets)

    monkeypatch.setattr(Objective, "forward", limited)
    return seen


def test_rows_are_halved_until_they_fit_and_a_resumed_run_begins_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = go(tmp_path / "enough", micro_batch_size=2)
    with monkeypatch.context() as patched:
        seen = memory_for(2, patched)
        assert go(tmp_path / "little") == expected
    assert seen[:6] == [8, 4, 2, 2, 2, 2] and set(seen[2:]) == {2}
    assert "ran out of memory with more than 2 sequences" in caplog.text
    assert json.loads((tmp_path / "little" / rows.FILE).read_text())["micro_batch_size"] == 2
    shutil.rmtree(tmp_path / "little" / "states")
    assert go(tmp_path / "little") == expected, "from the start, with the rows that are recorded"


def test_a_part_that_was_added_before_the_error_is_not_added_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = go(tmp_path / "enough", micro_batch_size=2)
    memory_for(2, monkeypatch, after=1)  # the first of two parts of 4 fits, the second does not
    assert go(tmp_path / "little", micro_batch_size=4) == expected


def test_a_later_step_and_a_single_row_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched, pytest.raises(torch.OutOfMemoryError):
        memory_for(4, patched, after=1)
        go(tmp_path / "later")
    with monkeypatch.context() as patched, pytest.raises(torch.OutOfMemoryError):
        assert memory_for(0, patched) == []
        go(tmp_path / "never")


def test_several_processes_start_again(tmp_path: Path) -> None:
    with pytest.raises(rows.FewerRowsError, match="all 8 processes start again with 3"):
        rows.record_in(tmp_path, devices=8)(3)
    assert rows.rows_that_fit(small.SHAPE, small.config(batch_size=6), torch.device("cpu"), tmp_path) == 3
    assert rows.rows_that_fit(small.SHAPE, small.config(), torch.device("cpu"), tmp_path) == 8, "3 does not divide it"
    assert [rows.halved(n) for n in (2, 3, 6, 8, 9)] == [1, 1, 3, 4, 3]


def test_blocks_of_memory_can_grow_unless_the_user_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALLOCATOR:
        monkeypatch.setenv(name, "")  # restored afterwards
        monkeypatch.delenv(name)
    fabric_for(small.config(), "cpu")
    assert os.environ["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    monkeypatch.delenv("PYTORCH_ALLOC_CONF")
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:64")
    fabric_for(small.config(), "cpu")
    assert "PYTORCH_ALLOC_CONF" not in os.environ

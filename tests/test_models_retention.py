"""Which weights stay on disk."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from calque.data.errors import UserError
from calque.models.config.retention import kept_steps
from calque.models.decoder.decoder import Decoder
from calque.models.training.loop import train
from tests import distributed_training as small

PLANNED = (0, 10, 20, 30, 40, 50)


@pytest.mark.parametrize("policy, expected", [
    ("all", {0, 10, 20, 30, 40}), ("last:2", {30, 40}), ("every:2", {0, 20, 40}), ("every:3", {0, 30, 40}),
    ("every:3+last:2", {0, 30, 40}), ("last:9", {0, 10, 20, 30, 40}),
])  # fmt: skip
def test_policies(policy: str, expected: set[int]) -> None:
    assert kept_steps(policy, PLANNED[:-1], PLANNED) == expected


def test_the_end_of_the_run_always_stays() -> None:
    assert kept_steps("every:4", PLANNED, PLANNED) == {0, 40, 50}


@pytest.mark.parametrize("policy", ["", "none", "last:0", "every:-1", "last", "all+last:2", "every:2,last:1"])
def test_what_is_no_policy_is_refused(policy: str) -> None:
    with pytest.raises(UserError, match="keep_weights is .* expected 'all', 'last:N'"):
        small.config(keep_weights=policy)


def test_training_keeps_what_the_policy_says_and_scores_everything(tmp_path: Path) -> None:
    scored: list[int] = []

    def score(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        scored.append(step)

    train(
        Decoder(small.SHAPE, seed=0),
        small.config(keep_weights="every:3+last:1"),
        small.Cycle(),
        PLANNED,
        tmp_path,
        score,
    )
    assert tuple(scored) == PLANNED
    there = sorted(path.name for path in (tmp_path / "weights").iterdir())
    assert there == [
        f"step-{step:08d}.safetensors{end}" for step in (0, 30, 50) for end in ("", ".sha256")
    ]  # fmt: skip

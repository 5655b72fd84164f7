"""Checkpoint schedules and the learning-rate curve."""

from __future__ import annotations

import pytest

from calque.data.errors import UserError
from calque.models.config.schedule import CheckpointSchedule, warmup_stable_decay
from calque.models.config.training import TrainingConfig


def test_parts_of_a_schedule_are_united_sorted_and_unique() -> None:
    schedule = CheckpointSchedule(every=3000, log_spaced=3, first=1000, explicit=(5000, 10_000))
    assert schedule.steps(10_000, 10) == (0, 100, 300, 316, 500, 600, 900, 1000)


def test_every_counts_exactly_as_the_original_run_did() -> None:
    schedule = CheckpointSchedule(every=185_000_000, initial=False)
    steps = schedule.steps(37_000_000_000, 1_000_000)
    assert len(steps) == 200
    assert steps[0] == 185
    assert steps[-1] == 37_000


def test_the_end_is_always_kept_and_the_beginning_by_choice() -> None:
    assert CheckpointSchedule().steps(1000, 10) == (0, 100)
    assert CheckpointSchedule(initial=False).steps(1000, 10) == (100,)
    assert CheckpointSchedule(initial=False, explicit=(0,)).steps(1000, 10) == (100,)


def test_impossible_schedules_are_said() -> None:
    with pytest.raises(UserError, match="every is 0"):
        CheckpointSchedule(every=0)
    with pytest.raises(UserError, match="beyond training's 1000"):
        CheckpointSchedule(explicit=(2000,)).steps(1000, 10)
    with pytest.raises(UserError, match="every is 1: 37000000000 checkpoints"):
        CheckpointSchedule(every=1).steps(37_000_000_000, 512)
    with pytest.raises(UserError, match="log_spaced is 10000000; expected at most 100000"):
        CheckpointSchedule(log_spaced=10_000_000)


def test_warmup_stable_decay_has_its_three_phases() -> None:
    curve = [warmup_stable_decay(s, steps=100, warmup=10, decay=20) for s in range(101)]
    assert curve[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert curve[9:80] == pytest.approx([1.0] * 71)
    assert curve[90] == pytest.approx(0.5)
    assert curve[100] == 0.0
    assert all(a >= b for a, b in zip(curve[79:], curve[80:], strict=False))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tokens": 0}, "training.tokens is 0"),
        ({"tokens": 100}, "less than one step's 512"),
        ({"tokens": 1000, "decay_fraction": 1.5}, "decay_fraction is 1.5"),
        ({"tokens": 100_000, "precision": "fp8"}, "expected one of 32-true"),
        ({"tokens": 100_000, "threads": 100_000}, "threads is 100000; expected at most 1024"),
        ({"tokens": 40_000}, "warmup_tokens is 50000, more than training.tokens, 40000"),
        ({"tokens": 100_000, "strategy": "fsdp2"}, "'fsdp2', but one device has nothing to share"),
    ],
)
def test_impossible_training_is_said(values: dict[str, float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        TrainingConfig(**values)  # type: ignore[arg-type]

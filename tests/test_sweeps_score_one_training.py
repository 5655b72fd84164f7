"""Names of revisions that tell of several trainings are refused; those of one are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.data.errors import UserError
from calque.sweeps.score.positions import PatternPositions, TablePositions, TableThenPattern, place_revisions

STAGE_1 = [f"stage1-step{i}-tokens{4 * i}B" for i in (1000, 2000, 3000)]


@pytest.mark.parametrize(
    ("names", "pattern", "per_step"),
    [
        ([*STAGE_1, "stage2-step500-tokens2B", "stage2-step1500-tokens6B"], "*-tokens{tokens}", None),
        ([*STAGE_1, "stage2-step1500-tokens6B"], "*-step{step}-tokens{tokens}", 4_000_000_000),
        (["stage1-step3000", "stage1-step4000", "stage2-step500", "stage2-step1500"], "*-step{step}", 5),
        (["seed1-step1", "seed2-step2", "seed1-step3"], "*-step{step}", 5),
        (["seed-1-step1", "seed-2-step2", "seed-1-step3"], "*-step{step}", 5),
        (["step1000", "step1500-ema", "step2000"], "step{step}*", 5),
        (["warm-step1", "cold-step2", "warm-step3"], "*-step{step}", 5),
        (["run-step9-tokens1B", "run-step5-tokens2B"], "*-tokens{tokens}", None),
    ],
)
def test_several_trainings_are_refused(names: list[str], pattern: str, per_step: int | None) -> None:
    with pytest.raises(UserError, match="of different trainings; score each training into a cube of its own") as found:
        place_revisions(names, PatternPositions(pattern, per_step), named=False)
    assert len(str(found.value)) <= 300


@pytest.mark.parametrize(
    ("names", "pattern", "per_step"),
    [
        ([*STAGE_1, "stage2-step500-tokens12002B", "stage2-step1500-tokens12006B"], "*-tokens{tokens}", None),
        (STAGE_1, "*-step{step}-tokens{tokens}", 4_000_000_000),
        (["step1-tokens900M", "step2-tokens1B"], "step{step}-*", 900_000_000),
        (["step1000-a3f9b2c", "step2000-b4a1c9d", "step3000-0a3f9b2"], "step{step}-*", 5),
        (["step1000-2024-01-05", "step2000-2024-02-05", "step3000-2024-03-05"], "step{step}-*", 5),
        (["warmup-step1", "stable-step2", "stable-step3", "anneal-step4"], "*-step{step}", 5),
        (["checkpoint-500", "checkpoint-1000"], "checkpoint-{step}", 5),
    ],
)
def test_one_training_is_not(names: list[str], pattern: str, per_step: int | None) -> None:
    order, _ = place_revisions(names[::-1], PatternPositions(pattern, per_step), named=False)
    assert list(order) == names


def test_a_table_goes_before_the_names(tmp_path: Path) -> None:
    (tmp_path / "where.csv").write_text("revision,tokens\nout,21\n")
    both = TableThenPattern(TablePositions(tmp_path / "where.csv"), PatternPositions("checkpoint-{step}", 5))
    order, left_out = place_revisions(["checkpoint-1", "out", "best"], both, named=False)
    assert [(name, position.tokens) for name, position in order.items()] == [("checkpoint-1", 5), ("out", 21)]
    assert left_out == ["best"]

"""Further checkpoints: asked for after every planned one, kept like them, and the same after a stop."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from calque.data.errors import UserError
from calque.models.config.adaptive import Adaptive
from calque.models.config.schedule import CheckpointSchedule
from calque.models.decoder.decoder import Decoder
from calque.models.training.loop import train
from tests import distributed_training as small

PLANNED = (0, 20, 40, 50)
FURTHER = {20: (27, 33), 40: (45,)}


class Stop(Exception):
    pass


def go(folder: Path, stop_after: int | None = None, policy: str = "all") -> tuple[dict[int, str], list[int]]:
    """Train; return the weights' hash by step, and the steps after which further ones were asked for."""
    digests: dict[int, str] = {}
    asked: list[int] = []

    def keep(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        digests[step] = sha256.result()
        if step == stop_after:
            raise Stop

    def further(step: int) -> tuple[int, ...]:
        asked.append(step)
        return FURTHER.get(step, ())

    train(
        Decoder(small.SHAPE, seed=0), small.config(keep_weights=policy), small.Cycle(), PLANNED, folder, keep,
        state_seconds=0, further=further,
    )  # fmt: skip
    return digests, asked


def test_further_checkpoints_are_kept_where_they_were_asked_for(tmp_path: Path) -> None:
    digests, asked = go(tmp_path)
    assert tuple(digests) == (0, 20, 27, 33, 40, 45, 50)
    assert asked == list(PLANNED)
    plain: dict[int, str] = {}
    train(
        Decoder(small.SHAPE, seed=0), small.config(), small.Cycle(), PLANNED, tmp_path / "plain",
        lambda step, model, sha256, seconds: plain.update({step: sha256.result()}),
    )  # fmt: skip
    assert plain == {step: digests[step] for step in PLANNED}, "looking changes nothing"


@pytest.mark.parametrize("at", [20, 33, 45])
def test_a_stop_between_planned_checkpoints_loses_no_further_one(tmp_path: Path, at: int) -> None:
    whole, _ = go(tmp_path / "whole")
    with pytest.raises(Stop):
        go(tmp_path / "cut", stop_after=at)
    rest, asked = go(tmp_path / "cut")
    assert {step: whole[step] for step in rest} == rest
    assert set(rest) >= {step for step in whole if step >= at}
    assert asked[0] == max(step for step in PLANNED if step <= min(rest))


def test_the_weights_of_further_checkpoints_are_dropped_by_the_same_policy(tmp_path: Path) -> None:
    go(tmp_path, policy="every:2+last:2")
    there = sorted(path.name[5:13] for path in (tmp_path / "weights").glob("*.safetensors"))
    assert list(map(int, there)) == [0, 40, 45, 50]


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"checkpoints\.adaptive\.budget is 0; expected 1 or more"):
        CheckpointSchedule(every=10, adaptive=Adaptive(budget=0))

"""A profile of a few steps: made once, of the steps that were asked for, and readable."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from calque.data.errors import UserError
from calque.models.config.profiling import ProfileConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.loop import train
from tests import distributed_training as small


def go(folder: Path, **fields: int) -> None:
    settings = small.config(tokens=20 * 128, profile=ProfileConfig(**fields))
    train(Decoder(small.SHAPE, seed=0), settings, small.Cycle(), (0, 10, 20), folder, lambda *checkpoint: None,
          state_seconds=0, accelerator="cpu")  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Profiler clears events:UserWarning")
def test_the_steps_asked_for_are_profiled_once(tmp_path: Path) -> None:
    go(tmp_path, steps=3, after=4)
    names = sorted(path.name for path in (tmp_path / "profile").iterdir())
    assert names == ["step-00000007-rank0.trace.json.gz", "step-00000007-rank0.txt"]
    with gzip.open(tmp_path / "profile" / names[0]) as file:
        events = json.load(file)["traceEvents"]
    steps = {str(event["name"]) for event in events if str(event.get("name")).startswith("training step ")}
    assert steps == {f"training step {step}" for step in (5, 6, 7)}
    assert any("Optimizer.step" in str(event.get("name")) for event in events)
    table = (tmp_path / "profile" / names[1]).read_text()
    assert "aten::mm" in table and "Self CPU" in table
    before = (tmp_path / "profile" / names[0]).stat().st_mtime_ns
    for state in (tmp_path / "states").iterdir():
        state.unlink()
    go(tmp_path, steps=3, after=4)  # from the start again
    assert (tmp_path / "profile" / names[0]).stat().st_mtime_ns == before


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Profiler clears events:UserWarning")
def test_training_that_ends_within_the_profile_writes_what_there_is(tmp_path: Path) -> None:
    go(tmp_path, steps=50, after=15)
    assert (tmp_path / "profile" / "step-00000020-rank0.txt").exists()


@pytest.mark.parametrize(
    ("fields", "said"), [({"steps": 0}, "profile.steps is 0"), ({"steps": 1, "after": -1}, "after is -1")]
)
def test_impossible_values_are_refused(fields: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        ProfileConfig(**fields)

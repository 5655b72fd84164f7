"""Checkpoints on disk: what is not as it was written is refused by name, and nothing is ever unpickled."""

from __future__ import annotations

import logging
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from calque.data.errors import UserError
from calque.models.checkpoints import digests
from calque.models.checkpoints.state import (
    Position,
    load_state,
    newest_states,
    newest_valid_state,
    save_state,
    state_of,
)
from calque.models.checkpoints.weights import (
    copy_to_memory,
    load_weights,
    serialise_weights,
    weights_path,
    write_weights,
)
from calque.models.config.sizes import size
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.optimizer import configure

CONFIG = TrainingConfig(tokens=10_000, warmup_tokens=0)


def kept(folder: Path, step: int) -> Path:
    path = weights_path(folder, step)
    write_weights(
        path, *serialise_weights(copy_to_memory(Decoder(size("tiny", 30), seed=step).state_dict()), tied=True)
    )
    return path


def stepped(seed: int, name: str = "tiny") -> tuple[Decoder, torch.optim.Optimizer]:
    decoder = Decoder(size(name, 30), seed=seed)
    optimizer = configure(decoder, CONFIG)
    decoder(torch.arange(8)[None]).square().mean().backward()
    optimizer.step()
    return decoder, optimizer


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip])
def test_damaged_weights_are_refused_by_name(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = kept(tmp_path, 1)
    load_weights(Decoder(size("tiny", 30)), path)
    damage(path)
    with pytest.raises(UserError, match=r"step-00000001\.safetensors is not what was written under this name"):
        load_weights(Decoder(size("tiny", 30)), path)


def test_swapped_and_unrecorded_weights_are_refused_by_name(tmp_path: Path) -> None:
    one, two = kept(tmp_path, 1), kept(tmp_path, 2)
    contents = one.read_bytes(), two.read_bytes()
    one.write_bytes(contents[1])
    two.write_bytes(contents[0])
    for path in (one, two):
        with pytest.raises(UserError, match=rf"{path.name} is not what was written"):
            load_weights(Decoder(size("tiny", 30)), path)
    digests.digest_file(one).unlink()
    with pytest.raises(UserError, match=rf"{one.name} has no {one.name}.sha256 beside it"):
        load_weights(Decoder(size("tiny", 30)), one)


def test_records_are_read_by_sha256sum(tmp_path: Path) -> None:
    path = kept(tmp_path, 3)
    check = ["sha256sum", "--check", "--strict", digests.digest_file(path).name]
    assert subprocess.run(check, cwd=path.parent, capture_output=True).returncode == 0
    flip(path)
    assert subprocess.run(check, cwd=path.parent, capture_output=True).returncode == 1


def test_bfloat16_weights_go_into_a_float32_decoder(tmp_path: Path) -> None:
    decoder = Decoder(size("tiny", 30), seed=0)
    path = weights_path(tmp_path, 1)
    write_weights(path, *serialise_weights(copy_to_memory(decoder.state_dict(), torch.bfloat16), tied=True))
    loaded = load_weights(Decoder(size("tiny", 30)), path)
    for name, weight in decoder.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight.bfloat16().float())


def test_a_state_brings_back_weights_optimizer_and_position(tmp_path: Path) -> None:
    decoder, optimizer = stepped(0)
    recent = torch.rand(3, 2, dtype=torch.float64)
    at = Position(step=7, skipped=2, loss_tokens=900, recent=recent)
    save_state(copy_to_memory(state_of(decoder, optimizer, at)), tmp_path)
    other, theirs = stepped(1)
    found = load_state(newest_states(tmp_path)[0], other, theirs)
    assert (found.step, found.skipped, found.loss_tokens) == (7, 2, 900) and torch.equal(found.recent, recent)
    for one, two in zip(decoder.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
        assert set(optimizer.state[one]) == set(theirs.state[two]) == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(value, theirs.state[two][key]) for key, value in optimizer.state[one].items())


@pytest.mark.parametrize("damage", [truncate, flip, lambda path: digests.digest_file(path).unlink()])
def test_a_damaged_state_is_refused_by_name_and_the_one_before_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    decoder, optimizer = stepped(0)
    for step in (5, 6, 7):
        save_state(copy_to_memory(state_of(decoder, optimizer, Position(step=step))), tmp_path)
    names = [path.name for path in newest_states(tmp_path)]
    assert names == ["step-00000007.ckpt", "step-00000006.ckpt"], "two are kept"
    assert not digests.digest_file(tmp_path / "step-00000005.ckpt").exists()
    damage(tmp_path / names[0])
    with caplog.at_level(logging.WARNING, "calque"):
        good = newest_valid_state(tmp_path)
    assert good is not None and good.name == names[1]
    assert names[0] in caplog.text and "resuming from the state before it" in caplog.text


def test_states_that_all_were_damaged_do_not_cost_the_next_one(tmp_path: Path) -> None:
    decoder, optimizer = stepped(0)
    for step in (700, 820):
        save_state(copy_to_memory(state_of(decoder, optimizer, Position(step=step))), tmp_path)
        flip(tmp_path / f"step-{step:08d}.ckpt")
    assert newest_valid_state(tmp_path) is None
    for step in (300, 400):
        save_state(copy_to_memory(state_of(decoder, optimizer, Position(step=step))), tmp_path)
    assert [path.name for path in newest_states(tmp_path)] == ["step-00000400.ckpt", "step-00000300.ckpt"]
    assert newest_valid_state(tmp_path) == tmp_path / "step-00000400.ckpt"


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    save_state(copy_to_memory(state_of(*stepped(0), Position(step=7))), tmp_path)
    with pytest.raises(UserError, match=r"step-00000007.ckpt does not fit this model"):
        load_state(newest_states(tmp_path)[0], *stepped(0, "nano"))


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that would run code when unpickled, with a record that fits, runs nothing."""

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return pytest.fail, ("code ran",)

    path = tmp_path / "step-00000001.ckpt"
    path.write_bytes(pickle.dumps(Bomb()))
    digests.write_digests(path, {path.name: digests.digest_of(path)})
    with pytest.raises(UserError, match=r"step-00000001.ckpt does not fit this model"):
        load_state(path, *stepped(0))
    sources = [p for room in ("models", "sweeps", "data") for p in (Path(__file__).parents[1] / room).rglob("*.py")]
    assert len(sources) > 50
    for source in sources:
        for line in source.read_text().splitlines():
            assert "pickle.load" not in line, f"{source}: {line}"
            assert "torch.load(" not in line or "weights_only=True" in line, f"{source}: {line}"

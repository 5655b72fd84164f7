"""Optimizers: AdamW and Muon learn, resume bit for bit, and hold the groups they should."""

from __future__ import annotations

from concurrent.futures import Future
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.models.config.sizes import cpu
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.loop import Progress, train
from calque.models.training.muon import MuonAdamW
from calque.models.training.optimizer import configure, schedule

VOCABULARY = 30
CONFIG = TrainingConfig(tokens=64 * 60, context=16, batch_size=4, warmup_tokens=256, learning_rate=5e-3)
STEPS = (0, 20, 40, 60)


class Cycle:
    """Sequences that count up: learnable in a few steps."""

    def batch(self, step: int) -> NDArray[np.int64]:
        return (np.random.default_rng(step).integers(0, VOCABULARY, (4, 1)) + np.arange(17)) % VOCABULARY


class Stop(Exception):
    pass


def go(folder: Path, config: TrainingConfig, stop_after: int | None = None) -> tuple[dict[int, str], float]:
    """Train width 32, half of the base, and return the hash of each checkpoint and the last loss."""
    digests: dict[int, str] = {}
    losses: list[float] = []

    def keep(step: int, decoder: Decoder, sha256: Future[str], seconds: float) -> None:
        digests[step] = sha256.result()
        if step == stop_after:
            raise Stop

    def note(progress: Progress) -> None:
        losses.append(progress.loss)

    train(Decoder(cpu(32, 2, VOCABULARY), 0), config, Cycle(), STEPS, folder, keep, note, state_seconds=0)
    return digests, losses[-1] if losses else float("nan")


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_it_learns_and_resumes_bit_for_bit(tmp_path: Path, optimizer: str) -> None:
    config = replace(CONFIG, optimizer=optimizer)
    whole, loss = go(tmp_path / "whole", config)
    assert loss < 2.0, "uniform is log 30 = 3.4"
    with pytest.raises(Stop):
        go(tmp_path / "cut", config, stop_after=40)
    rest, _ = go(tmp_path / "cut", config)
    assert rest[60] == whole[60]
    assert 0 not in rest


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_clipping_goes_with_mixed_precision(tmp_path: Path, optimizer: str) -> None:
    _, loss = go(tmp_path, replace(CONFIG, optimizer=optimizer, precision="bf16-mixed", gradient_clip=0.5))
    assert loss < 3.0


def descend(decoder: Decoder, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        batch = torch.from_numpy(Cycle().batch(step))
        optimizer.zero_grad()
        F.cross_entropy(decoder(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten()).backward()
        optimizer.step()


def test_muon_steps_the_hidden_matrices_and_adamw_the_rest() -> None:
    decoder = Decoder(cpu(128, 6, VOCABULARY), 0)
    optimizer = configure(decoder, replace(CONFIG, optimizer="muon"))
    assert isinstance(optimizer, MuonAdamW)
    names = {p: name for name, p in decoder.named_parameters()}
    muon, *rest = optimizer.param_groups
    assert {names[p] for p in muon["params"]} == {n for n in names.values() if ".attention." in n or ".ffn." in n} - {
        n for n in names.values() if "norm" in n
    }
    assert (muon["lr"], muon["weight_decay"]) == pytest.approx((5e-3 / 2**0.5, 0.1 * 2**0.5))
    assert muon["eps"] == pytest.approx(1e-7 / 2)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(names)
    descend(decoder, optimizer, range(1))
    assert {frozenset(optimizer.state[p]) for p in muon["params"]} == {frozenset({"momentum_buffer"})}
    assert {frozenset(optimizer.state[p]) for group in rest for p in group["params"]} == {
        frozenset({"step", "exp_avg", "exp_avg_sq"})
    }


def test_both_halves_step_as_torch_does_alone() -> None:
    ours, theirs = Decoder(cpu(64, 2, VOCABULARY), 0), Decoder(cpu(64, 2, VOCABULARY), 0)
    config = replace(CONFIG, optimizer="muon", parametrisation="standard")
    for decoder in (ours, theirs):  # as under 'standard'
        decoder.config = replace(decoder.config, base_width=None, base_layers=None)
    descend(ours, configure(ours, config), range(3))
    hidden = [p for n, p in theirs.named_parameters() if p.dim() > 1 and "blocks" in n]
    rest = {n: p for n, p in theirs.named_parameters() if not (p.dim() > 1 and "blocks" in n)}
    muon = torch.optim.Muon(hidden, lr=5e-3, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(
        [{"params": [rest.pop("embedding.weight")]}, {"params": list(rest.values()), "weight_decay": 0.0}],
        lr=5e-3, weight_decay=0.1, betas=(0.9, 0.98), fused=True,
    )  # fmt: skip
    for step in range(3):
        batch = torch.from_numpy(Cycle().batch(step))
        theirs.zero_grad()
        F.cross_entropy(theirs(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten()).backward()
        muon.step()
        adamw.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_loaded_state_goes_on_as_if_never_saved(optimizer: str) -> None:
    config = replace(CONFIG, optimizer=optimizer)
    first = Decoder(cpu(32, 1, VOCABULARY), 0)
    one = configure(first, config)
    descend(first, one, range(3))
    second = Decoder(cpu(32, 1, VOCABULARY), 1)
    second.load_state_dict(first.state_dict())
    two = configure(second, config)
    two.load_state_dict(deepcopy(one.state_dict()))
    for decoder, stepper in ((first, one), (second, two)):
        descend(decoder, stepper, range(3, 6))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_schedule_moves_every_group_by_the_same_factor(optimizer: str) -> None:
    stepper = configure(Decoder(cpu(128, 3, VOCABULARY), 0), replace(CONFIG, optimizer=optimizer))
    full = [group["lr"] for group in stepper.param_groups]
    assert len(set(full)) > 1
    runner = schedule(stepper, CONFIG)
    factors = []
    for _ in range(CONFIG.steps):
        factors.append({round(group["lr"] / base, 9) for group, base in zip(stepper.param_groups, full, strict=True)})
        stepper.step()
        runner.step()
    assert all(len(factor) == 1 for factor in factors)
    curve = [factor.pop() for factor in factors]
    assert curve[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert curve[42:] == pytest.approx([(60 - step) / 18 for step in range(42, 60)])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"optimizer": "muonn"}, "training.optimizer is 'muonn'; expected one of adamw, muon; did you mean 'muon'"),
        ({"parametrisation": "mup"}, "training.parametrisation is 'mup'; expected one of completep, standard"),
        ({"parametrisation": "standard", "base_width": 64}, "'standard' has no base"),
        ({"base_layers": 0}, "training.base_layers is 0; expected 1 or more"),
        ({"momentum": 1.0}, "training.momentum is 1.0; expected 0 or more and less than 1"),
        ({"epsilon": 0.0}, "training.epsilon is 0.0; expected more than 0"),
        ({"z_loss": -1e-4}, "training.z_loss is -0.0001; expected 0 or more"),
        ({"learning_rate": float("nan")}, "training.learning_rate is nan"),
    ],
)
def test_impossible_optimizers_are_said(values: dict[str, float | str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        replace(CONFIG, **values)  # type: ignore[arg-type]

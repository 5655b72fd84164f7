"""Memory: the formula beside what the decoder really keeps for its backward pass, and what optimizers hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from calque.data.errors import UserError
from calque.models.config.devices import DEVICES, find_device
from calque.models.config.memory import logits_at_once, memory, on_device
from calque.models.config.sizes import DecoderConfig, cpu, ladder, size
from calque.models.config.training import PRECISIONS, TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.optimizer import configure
from calque.models.training.precision import compute_as

CONFIG = TrainingConfig(tokens=1_000_000, context=32, batch_size=3)


def kept_bytes(decoder: Decoder, rows: int, context: int) -> int:
    """Return the bytes that autograd keeps between forward and backward, weights and the rotary table left out."""
    own = {p.untyped_storage().data_ptr() for p in decoder.parameters()}
    own |= {table.untyped_storage().data_ptr() for table in decoder.positions(0, context)}
    kept: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        hidden = decoder.hidden(torch.zeros(rows, context, dtype=torch.long))[0]
        decoder.head(hidden).sum()
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", [cpu(64, 3, 50), ladder(256, 50)], ids=["cpu", "ladder"])
def test_the_formula_counts_what_autograd_keeps(shape: DecoderConfig, precision: str) -> None:
    decoder = Decoder(shape, 0)
    config, rows = replace(CONFIG, precision=precision), 30
    if precision == "float8-mixed" and shape.width > 64:
        rows = 1  # a CPU multiplies float8 a hundred times slower
    if precision == "bf16-true":
        decoder.to(torch.bfloat16)
    compute_as(config, decoder, torch.device("cpu"))
    found = memory(shape, config, rows=rows, shards=1, head_tokens=0)
    casts = (
        found.weights - memory(shape, replace(config, precision="32-true"), rows=rows, shards=1, head_tokens=0).weights
    )
    head = 2 * 50 * shape.width  # also cast, counted with the logits
    expected = found.activations + (casts + head if config.mixed else 0)
    assert kept_bytes(decoder, rows, 32) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_optimizer_holds_what_is_counted(optimizer: str) -> None:
    config = replace(CONFIG, optimizer=optimizer)
    decoder = Decoder(cpu(64, 2, 50), 0)
    decoder(torch.zeros(1, 4, dtype=torch.long)).sum().backward()
    stepper = configure(decoder, config)
    stepper.step()
    held = sum(x.nbytes for state in stepper.state.values() for x in state.values() if x.dim())
    counted = memory(decoder.config, config, rows=3, shards=1, head_tokens=96)
    assert counted.optimizer == held
    assert counted.weights == counted.gradients == 4 * decoder.config.n_params
    assert counted.logits == 96 * 50 * 8 + 4 * 64 * (50 + 96)


def test_the_full_size_is_the_sum_of_its_parts() -> None:
    shape = size("1.7b", 131_072)
    config = TrainingConfig(tokens=10**9, context=4096, batch_size=256, precision="bf16-mixed")
    one = memory(shape, config, rows=8, shards=1, head_tokens=4096)
    p, hidden, tokens = 1_669_433_344, 1_132_562_432 - 49 * 2048, 8 * 4096
    assert one.weights == 4 * p + 2 * hidden
    assert (one.gradients, one.optimizer) == (4 * p, 8 * p)
    layer = 4 * 4 * 2048 + 2 * (4 * 2048 + 2 * 1024 + 4 * 5632) + 4 * 18
    around = 10 * 2048 + 12
    assert one.activations == tokens * (24 * layer + around)
    assert one.activations_checkpointed == tokens * (24 * 4 * 2048 + layer + around)
    assert one.logits == 4096 * 131_072 * 8 + 4 * 2048 * (131_072 + tokens) + 2 * 2048 * 131_072
    assert one.total - one.total_checkpointed == one.activations - one.activations_checkpointed
    eight = memory(shape, config, rows=8, shards=8, head_tokens=4096)
    layer, rest = shape.n_params_layer, 2 * 131_072 * 2048 + 2048
    assert (eight.weights, eight.optimizer) == (4 * p // 8 + 4 * rest + 2 * 2 * layer, p)
    assert eight.gradients == 4 * p // 8 + 4 * rest + 6 * layer
    several = memory(shape, config, rows=1, shards=8, head_tokens=4096, accumulates=True)
    assert several.gradients == 4 * p // 8 + 4 * p, "6.7 GB that are not sharded"
    plain = memory(shape, replace(config, precision="bf16-true"), rows=8, shards=1, head_tokens=4096)
    assert (plain.weights, plain.optimizer) == (2 * p, 4 * p)


def test_chunks_of_logits_are_those_of_the_objective() -> None:
    found = on_device(size("1.7b", 131_072), replace(CONFIG, context=4096), rows=1)
    assert found.logits == 2 * logits_at_once("cuda") + 4 * 2048 * (131_072 + 4096)


def test_devices_have_their_precisions_peak_and_unknown_ones_are_said() -> None:
    assert find_device("h200").peak("bf16-mixed") == 989.4e12
    assert find_device("h200").peak("32-true") == 66.9e12
    assert all(d.source and d.bf16 >= d.float32 > 0 for d in DEVICES.values())
    with pytest.raises(UserError, match="or the `flops` of another; did you mean 'h200'"):
        find_device("h20")

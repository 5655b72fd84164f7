"""Products of float8 factors: their arithmetic against float64, a step of training, and where they are refused."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import calque
from calque.data.errors import UserError
from calque.models.config.devices import check_precision
from calque.models.config.sizes import SIZES, DecoderConfig, size
from calque.models.config.training import FLOAT8_SIDE, TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.float8 import OF_FACTORS, OF_GRADIENTS, float8_linear, quantised
from calque.models.decoder.loss import Objective
from calque.models.training.compiling import checkpoint_activations
from calque.models.training.precision import compute_as
from calque.sweeps.plan.doubts import doubts
from calque.sweeps.study.study import read_study
from tests import distributed_training as small

UNIT, LEAST_NORMAL, LARGEST = {}, {}, {}
for _kind, _bits in ((OF_FACTORS, 3), (OF_GRADIENTS, 2)):  # of the mantissa: OCP's E4M3 and E5M2
    UNIT[_kind], LARGEST[_kind] = 2.0 ** -(_bits + 1), {3: 448.0, 2: 57344.0}[_bits]
    LEAST_NORMAL[_kind] = {3: 2.0**-6, 2: 2.0**-14}[_bits]
OUTPUT_UNIT = {torch.float32: 1e-6, torch.bfloat16: 2.0**-8}
SHAPE = DecoderConfig(width=32, layers=2, heads=2, kv_heads=1, ffn_width=48, vocab_size=30)


def scale(x: Tensor, kind: torch.dtype) -> float:
    """The largest power of two that keeps ``x`` within the numbers of ``kind``."""
    return 2.0 ** math.floor(math.log2(LARGEST[kind] / float(x.abs().max())))


def rounded(x: Tensor, kind: torch.dtype) -> Tensor:
    """``x`` in float64 as float8 has it, by the definition of its numbers."""
    by = scale(x, kind)
    scaled = x.double() * by
    step = scaled.abs().clamp(min=LEAST_NORMAL[kind]).log2().floor().exp2() * 2 * UNIT[kind]
    return (scaled / step).round() * step / by  # round() rounds halves to even


def most_off(x: Tensor, kind: torch.dtype) -> Tensor:
    """Most that rounding moves each number of ``x``."""
    return UNIT[kind] * (x.double().abs() + LEAST_NORMAL[kind] / scale(x, kind))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("spread", [1.0, 1e3])
def test_product_and_gradients_are_those_of_rounded_factors(kind: torch.dtype, spread: float) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int, deviation: float) -> Tensor:
        wide = torch.exp(math.log(spread) * torch.rand(shape, generator=generator))
        return (torch.randn(shape, generator=generator) * wide * deviation).to(kind)

    x, weight, gradient = draw(4, 16, 32, deviation=3.0), draw(48, 32, deviation=0.02), draw(4, 16, 48, deviation=1e-7)
    leaves = [each.clone().requires_grad_() for each in (x, weight)]
    product = float8_linear(*leaves)
    product.backward(gradient)
    rows, of_rows = x.flatten(0, 1), gradient.flatten(0, 1)
    grads = [each.grad for each in leaves]
    assert grads[0] is not None and grads[1] is not None
    for found, (a, of_a), (b, of_b) in (
        (product.detach().flatten(0, 1), (rows, OF_FACTORS), (weight.t(), OF_FACTORS)),
        (grads[0].flatten(0, 1), (of_rows, OF_GRADIENTS), (weight, OF_FACTORS)),
        (grads[1], (of_rows.t(), OF_GRADIENTS), (rows, OF_FACTORS)),
    ):
        assert found.dtype == kind
        exact, size_of = rounded(a, of_a) @ rounded(b, of_b), rounded(a, of_a).abs() @ rounded(b, of_b).abs()
        assert ((found.double() - exact).abs() <= OUTPUT_UNIT[kind] * exact.abs() + 1e-6 * size_of).all()
        true, sizes = a.double() @ b.double(), (a.double().abs(), b.double().abs())
        bound = (sizes[0] + most_off(a, of_a)) @ (sizes[1] + most_off(b, of_b)) - sizes[0] @ sizes[1]
        off = (found.double() - true).abs()
        assert (off <= bound * (1 + 1e-6) + OUTPUT_UNIT[kind] * true.abs() + 1e-6 * size_of).all()
        assert off.norm() > 0.01 * true.norm(), "of float8, not of something finer"


def test_a_row_is_rounded_as_it_is_alone() -> None:
    """So that micro-batches and devices compute the same function, but for numbers far smaller than the largest."""
    generator = torch.Generator().manual_seed(1)
    x, weight = (torch.rand(rows, 32, generator=generator) + 0.1 for rows in (64, 48))
    x[32:] *= -100
    together = float8_linear(x, weight)
    torch.testing.assert_close(torch.cat([float8_linear(x[:32], weight), float8_linear(x[32:], weight)]), together)
    assert all(math.frexp(float(quantised(part, OF_FACTORS)[1]))[0] == 0.5 for part in (x, x[:32], weight))


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_stays_so(bad: float) -> None:
    """Float8 alone would make its largest number of an infinity, and the loss would stay finite."""
    x = torch.ones(16, 16).requires_grad_()
    spoilt = torch.ones(16, 16)
    spoilt[3, 3] = bad
    assert float8_linear(spoilt, torch.ones(16, 16)).isnan().any()
    float8_linear(x, torch.ones(16, 16)).backward(spoilt)
    assert x.grad is not None and x.grad.isnan().any()


def test_zeros_and_the_smallest_gradients() -> None:
    x = torch.ones(16, 16).requires_grad_()
    assert float8_linear(torch.zeros(16, 16), torch.ones(16, 16)).abs().max() == 0
    float8_linear(x, torch.ones(16, 16)).backward(torch.full((16, 16), 2.0**-90))
    assert x.grad is not None and (x.grad == 16 * 2.0**-90).all()


class Operators(TorchDispatchMode):
    """Counts operators, and the types of the factors of plain products."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[str(func)] += 1
        return func(*args, **(kwargs or {}))


def config(**fields: object) -> TrainingConfig:
    return small.config(precision="float8-mixed", **fields)


@pytest.mark.parametrize(("checkpointing", "products"), [("none", 3), ("selective", 3), ("full", 4)])
def test_every_matrix_of_the_layers_is_multiplied_in_float8_and_no_other(checkpointing: str, products: int) -> None:
    """Forward, and for the gradients of inputs and of weights; selective checkpointing repeats none."""
    decoder = Decoder(SHAPE, 0)
    compute_as(config(), decoder, torch.device("cpu"))
    objective = Objective(decoder)
    checkpoint_activations(objective, checkpointing)
    tokens = torch.from_numpy(small.Cycle().batch(0))
    with Operators() as seen:
        objective(tokens)[0].backward()
    assert seen.counts["aten._scaled_mm.default"] == 7 * SHAPE.layers * products
    assert seen.counts["aten.mm.default"] == 3, "the head: forward, and two gradients"
    plain = Decoder(SHAPE, 0)
    plain.compute_in(torch.bfloat16)
    expected, found = Objective(plain)(tokens)[0].item(), objective(tokens)[0].item()
    assert found != expected and found == pytest.approx(expected, abs=0.02)


def test_a_run_learns_and_its_checkpoints_are_scored_without_float8(tmp_path: Path) -> None:
    with Operators() as seen:
        small.run(config(), tmp_path, every=25)
    assert seen.counts["aten._scaled_mm.default"] == 7 * small.SHAPE.layers * 3 * small.STEPS


@pytest.mark.parametrize("name", SIZES)
def test_the_sides_of_every_size_are_multiples(name: str) -> None:
    shape = size(name, 1024)
    assert {
        shape.width % FLOAT8_SIDE,
        shape.kv_heads * shape.head_width % FLOAT8_SIDE,
        shape.ffn_width % FLOAT8_SIDE,
    } == {0}


def test_a_context_of_other_sides_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"training.context is 24; expected a multiple of 16, which .* 'float8-mixed' need"
    ):
        config(context=24)


def test_devices_without_float8_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, device = Decoder(SHAPE, 0), torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    with pytest.raises(UserError, match=r"NVIDIA A100 \(compute capability 8.0\) has none; expected .* 8.9 or more"):
        compute_as(config(), decoder, device)
    with pytest.raises(UserError, match="a device of type 'mps' has none that were tried"):
        compute_as(config(), decoder, torch.device("mps"))
    assert not decoder.blocks[0].ffn.up.float8
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    compute_as(config(), decoder, device)
    assert decoder.blocks[0].ffn.up.float8 and not decoder.head.float8
    compute_as(small.config(precision="bf16-mixed"), decoder, device)
    assert not decoder.blocks[0].ffn.up.float8


def test_the_plan_is_that_of_bfloat16_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "study: s\nbase: hub-gpu\nruns: {a: {size: 69m}, b: {size: 69m, training: {precision: float8-mixed}}}\n"
    )
    plain, float8 = calque.plan(path, device="h200").to_dict()["runs"]
    assert {key for key in plain if plain[key] != float8[key]} == {"run", "run_id", "precision", "differs"}
    (said,) = doubts(read_study(path).runs, False)
    assert "whose speed and memory were not measured on any device" in said and said.endswith("(b)")
    with pytest.raises(UserError, match="`device` is 'a100', which has no matrix products of float8") as refused:
        calque.plan(path, device="a100")
    assert len(str(refused.value)) <= 300
    check_precision("a100", "bf16-mixed")

"""The matrix products of training: torch's results and gradients, whichever library computes them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from calque.models.decoder import linear

needs_wide_vectors = pytest.mark.skipif(not linear.ONEDNN_AVX512, reason="oneDNN is used with AVX-512 alone")
SHAPES = [((2, 512), 64, 64), ((4, 128), 64, 640), ((4, 128), 640, 64), ((1024,), 256, 128), ((3, 5), 7, 11)]


def relative(ours: torch.Tensor, exact: torch.Tensor) -> float:
    return float((ours.detach().double() - exact.detach()).abs().max() / exact.detach().abs().max())


@pytest.mark.parametrize("rows, inputs, outputs", SHAPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_product_and_gradients_are_exact_to_float32(
    rows: tuple[int, ...], inputs: int, outputs: int, threads: int
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(0)
        x, weight = torch.randn(*rows, inputs), torch.randn(outputs, inputs)
        gradient = torch.randn(*rows, outputs)
        exact = [t.double().requires_grad_() for t in (x, weight)]
        ours = [t.clone().requires_grad_() for t in (x, weight)]
        F.linear(*exact).backward(gradient.double())
        product = linear.linear(*ours)
        product.backward(gradient)
    finally:
        torch.set_num_threads(before)
    assert relative(product, F.linear(*exact)) < 2e-6
    for mine, true in zip(ours, exact, strict=True):
        assert mine.grad is not None and true.grad is not None and mine.grad.is_contiguous()
        assert relative(mine.grad, true.grad) < 2e-6


@needs_wide_vectors
def test_large_products_of_training_go_to_onednn_and_no_others() -> None:
    weight = torch.randn(64, 64, requires_grad=True)
    large, small = torch.randn(512, 64), torch.randn(511, 64)

    def by(x: torch.Tensor) -> str:
        function = linear.linear(x, weight).grad_fn
        return type(function).__name__

    assert by(large) == "_LinearBackward"
    assert by(small) == by(large.bfloat16().float()[:2]) != "_LinearBackward"
    with torch.no_grad():
        assert linear.linear(large, weight).grad_fn is None
    with torch.autocast("cpu", torch.bfloat16):
        assert linear.linear(large, weight).dtype == torch.bfloat16


@needs_wide_vectors
def test_frozen_inputs_and_weights_get_no_gradient() -> None:
    x, weight = torch.randn(512, 64), torch.randn(64, 64, requires_grad=True)
    linear.linear(x, weight).sum().backward()
    assert x.grad is None and weight.grad is not None
    x.requires_grad_()
    linear.linear(x, weight.detach()).sum().backward()
    assert x.grad is not None


@needs_wide_vectors
def test_operators_keep_the_contract_of_torch() -> None:
    x, weight = torch.randn(8, 16), torch.randn(12, 16)
    torch.library.opcheck(torch.ops.calque.product.default, (x, weight), test_utils=("test_schema", "test_faketensor"))
    torch.library.opcheck(
        torch.ops.calque.weight_gradient.default, (torch.randn(8, 200), x),
        test_utils=("test_schema", "test_faketensor"),
    )  # fmt: skip

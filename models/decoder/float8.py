"""Matrix products of float8 factors, with their gradients.

Each factor is scaled as a whole, by its largest magnitude of the moment (dynamic tensorwise scaling; Micikevicius et
al. 2022): inputs and weights to ``float8_e4m3fn``, gradients to ``float8_e5m2``, whose range is wider. Scales are
powers of two, so that scaling itself rounds nothing: how a number is rounded does not depend on the others of its
tensor, unless it is more than 2^13 times (gradients: 2^28 times) smaller than the largest. Products are summed by
``torch._scaled_mm``, on a GPU on its tensor cores, on a CPU in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

OF_FACTORS, OF_GRADIENTS = torch.float8_e4m3fn, torch.float8_e5m2
LEAST = 2.0**-100
"""A largest magnitude below this is scaled as if it were this: the scale stays finite, zeros stay zeros."""


def quantised(x: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return ``x`` scaled and rounded to ``kind``, and the number by which that is to be multiplied, in float32.

    A value that is not finite makes the whole product NaN: float8 would turn an infinity into its largest number.
    """
    largest = x.abs().amax().float().clamp(min=LEAST)
    factor = torch.exp2(torch.floor(torch.log2(torch.finfo(kind).max / largest)))
    return (x * factor).to(kind), factor.reciprocal()


def _product(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor], kind: torch.dtype, fast: bool = False) -> Tensor:
    """Return ``a @ b.T`` of two quantised matrices; ``fast`` sums on Hopper with fewer bits, as is usual forward."""
    (left, of_left), (right, of_right) = a, b
    found: Tensor = torch._scaled_mm(
        left.contiguous(), right.contiguous().t(), of_left, of_right, out_dtype=kind, use_fast_accum=fast
    )
    return found


def _turned(x: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return x[0].t(), x[1]


class _Float8Linear(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        factors = quantised(x.flatten(0, -2), OF_FACTORS), quantised(weight, OF_FACTORS)
        return _product(*factors, x.dtype, fast=True).view(*x.shape[:-1], -1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        to_x, to_weight = None, None
        rounded = quantised(gradient.flatten(0, -2), OF_GRADIENTS)
        if ctx.needs_input_grad[0]:
            to_x = _product(rounded, _turned(quantised(weight, OF_FACTORS)), x.dtype).view(x.shape)
        if ctx.needs_input_grad[1]:
            factor = quantised(x.flatten(0, -2), OF_FACTORS)
            to_weight = _product(_turned(rounded), _turned(factor), weight.dtype)
        return to_x, to_weight


def float8_linear(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x @ weight.T`` in the type of ``x``, from float8 factors; the products of its gradients have them, too.

    On a GPU, all sides of the matrices, the number of tokens included, must be multiples of 16.

    Parameters
    ----------
    x : Tensor, shape (..., in)
    weight : Tensor, shape (out, in)
        Of the type of ``x``, bfloat16 or float32.
    """
    product: Tensor = _Float8Linear.apply(x, weight)  # type: ignore[no-untyped-call]
    return product

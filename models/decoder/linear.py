"""Matrix products and norms in a chosen precision; on a CPU by oneDNN where it is faster than the BLAS in torch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calque.models.decoder.float8 import float8_linear

MIN_MULTIPLY_ADDS = 2**21
"""Multiply-adds above which oneDNN's overhead, about ten microseconds per call, is worth it (measured)."""

MIN_SIDE_PER_THREAD = 80
"""Rows or columns of a weight gradient per thread above which oneDNN, which splits the longer side, is faster."""

ONEDNN_AVX512 = bool(torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.backends.mkldnn.enabled)
"""Whether oneDNN uses AVX-512. MKL uses it on Intel processors only and is half as fast on others."""

_OPERATORS = torch.library.Library("calque", "DEF")  # type: ignore[no-untyped-call]
_OPERATORS.define("product(Tensor x, Tensor weight) -> Tensor")  # type: ignore[no-untyped-call]
_OPERATORS.define("weight_gradient(Tensor gradient, Tensor x) -> Tensor")  # type: ignore[no-untyped-call]


def _product(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x @ weight.T`` in full float32; both may be transposed views."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return product


def _weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """Return ``gradient.T @ x``, shape (out, in), for two matrices with one row per token."""
    if max(gradient.shape[1], x.shape[1]) < MIN_SIDE_PER_THREAD * torch.get_num_threads():
        return gradient.t() @ x
    if gradient.shape[1] > x.shape[1]:
        return _product(x.t(), gradient.t()).t().contiguous()
    return _product(gradient.t(), x.t())


# registered operators, which the compiler calls unchanged: it supports those of oneDNN with constant weights only
_OPERATORS.impl("product", _product, "CPU")  # type: ignore[no-untyped-call]
_OPERATORS.impl("weight_gradient", _weight_gradient, "CPU")  # type: ignore[no-untyped-call]
torch.library.register_fake(
    "calque::product", lambda x, weight: x.new_empty((*x.shape[:-1], weight.shape[0])), lib=_OPERATORS
)
torch.library.register_fake(
    "calque::weight_gradient", lambda gradient, x: x.new_empty((gradient.shape[1], x.shape[1])), lib=_OPERATORS
)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        product: Tensor = torch.ops.calque.product(x, weight)
        return product

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient, to_x, to_weight = gradient.contiguous(), None, None
        if ctx.needs_input_grad[0]:
            to_x = torch.ops.calque.product(gradient, weight.t())
        if ctx.needs_input_grad[1]:
            to_weight = torch.ops.calque.weight_gradient(gradient.flatten(0, -2), x.flatten(0, -2))
        return to_x, to_weight


def by_onednn(x: Tensor, weight: Tensor) -> bool:
    """Return whether oneDNN is faster for ``x @ weight.T``: for large float32 products on a CPU with AVX-512."""
    return (
        ONEDNN_AVX512
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.numel() * weight.shape[0] >= MIN_MULTIPLY_ADDS
        and not torch.is_autocast_enabled("cpu")
    )


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x @ weight.T``, shape (..., out), for ``x`` of shape (..., in) and ``weight`` of shape (out, in).

    Equals ``torch.nn.functional.linear`` except for the order of summation. While gradients are recorded, large float32
    products on a CPU with AVX-512 are computed by oneDNN.
    """
    if torch.is_grad_enabled() and by_onednn(x, weight):
        product: Tensor = _Linear.apply(x, weight)  # type: ignore[no-untyped-call]
        return product
    return F.linear(x, weight)


class Linear(nn.Linear):
    """A matrix of shape (outputs, inputs) without bias, multiplied by :func:`linear`.

    Attributes
    ----------
    compute : torch.dtype, optional
        Type in which the product is computed and returned; None is the type of the weight.
    float8 : bool
        Whether the factors are rounded further, to float8 (:mod:`~calque.models.decoder.float8`).
    """

    compute: torch.dtype | None = None
    float8: bool = False

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def reset_parameters(self) -> None:
        """Draw nothing: the decoder draws its weights itself, and once."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the product, shape (..., outputs), for ``input`` of shape (..., inputs)."""
        kind = self.compute or self.weight.dtype
        product = float8_linear if self.float8 else linear
        return product(input.to(kind), self.weight.to(kind))


class Embedding(nn.Embedding):
    """A vector for each token, drawn by the decoder."""

    def reset_parameters(self) -> None:
        """Draw nothing."""


def as_float32(x: Tensor) -> Tensor:
    """Return ``x`` in float32, or in float64 where it has that."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Norm(nn.RMSNorm):
    """RMSNorm (Zhang & Sennrich 2019), computed and returned in float32.

    Attributes
    ----------
    compute : torch.dtype, optional
        Type to which the gains are rounded before they are used; None leaves them as they are.
    """

    compute: torch.dtype | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the normed ``x``, of its shape (..., width)."""
        x = as_float32(x)
        gain: Tensor = self.weight if self.compute is None else self.weight.to(self.compute)
        return F.rms_norm(x, self.normalized_shape, gain.to(x.dtype), self.eps)

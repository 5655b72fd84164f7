"""Cross-entropy of an output projection for a chunk of tokens at a time, with its gradients.

The logits of a chunk give the loss and, at once, the gradient with respect to themselves, which two products take to
the residuals and to the weights. Nothing of the size of the logits is kept for the backward pass, which only scales.
The factors of all products have the type of computation. Where that is bfloat16, a GPU returns products in float32;
the library for CPUs returns bfloat16. Softmax, loss, and the sums over chunks are float32.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from calque.models.decoder.linear import as_float32, by_onednn
from calque.models.decoder.targets import IGNORED


def _times(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a @ b``, two matrices, in float32 (float64 where they are)."""
    if by_onednn(a, b.t()):
        product: Tensor = torch.ops.calque.product(a, b.t())
        return product
    if a.is_cuda and a.dtype == torch.bfloat16:
        return torch.mm(a, b, out_dtype=torch.float32)
    return as_float32(a @ b)


def _add_weight_gradient(total: Tensor, gradient: Tensor, x: Tensor) -> None:
    """Add ``gradient.T @ x`` to ``total``, float32."""
    if by_onednn(gradient.t(), x.t()):
        total += torch.ops.calque.weight_gradient(gradient, x)
    elif gradient.is_cuda and gradient.dtype == torch.bfloat16:
        torch.addmm(total, gradient.t(), x, out_dtype=torch.float32, out=total)
    elif gradient.dtype == total.dtype:
        total.addmm_(gradient.t(), x)
    else:
        total += gradient.t() @ x


def _with_gradients(
    residuals: Tensor, head: Tensor, targets: Tensor, z_loss: float, rows: int, kind: torch.dtype, gradients: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the means of cross-entropy and squared log-normaliser, and the objective's gradients, empty if unasked.

    Ignored targets count as 0 in the means.
    """
    x, weight = residuals.to(kind), head.to(kind)
    exact, count = torch.promote_types(kind, torch.float32), len(targets)
    crossed, squared = (torch.zeros((), dtype=exact, device=x.device) for _ in range(2))
    to_x = torch.empty_like(residuals) if gradients else residuals.new_empty(0)
    to_weight = torch.zeros_like(head, dtype=exact) if gradients else head.new_empty(0, dtype=exact)
    for start in range(0, count, rows):
        part, wanted = x[start : start + rows], targets[start : start + rows, None]
        bears = wanted != IGNORED
        wanted = wanted.where(bears, 0)
        logits = _times(part, weight.t())
        of_wanted = logits.gather(1, wanted)
        logprob = F.log_softmax(logits, 1)
        del logits
        wanted_logprob = logprob.gather(1, wanted)
        crossed -= (wanted_logprob * bears).sum()
        normaliser = of_wanted - wanted_logprob
        squared += (normaliser.square() * bears).sum()
        if not gradients:
            continue
        gradient = logprob.exp_()  # of the sum over tokens, not the mean: bfloat16 gets numbers near 1
        if z_loss:
            gradient.mul_(1 + 2 * z_loss * normaliser)
        gradient.scatter_add_(1, wanted, torch.full_like(wanted_logprob, -1.0))
        gradient = gradient.to(kind)
        del logprob
        # an ignored target's rows are set to 0 here: in the gradient they are as wide as the vocabulary
        to_x[start : start + rows] = _times(gradient, weight) / count * bears
        _add_weight_gradient(to_weight, gradient, part * bears)
    if gradients:
        to_weight /= count
    return crossed / count, squared / count, to_x, to_weight


_OPERATOR = torch.library.custom_op("calque::chunked_cross_entropy", _with_gradients, mutates_args=())
"""The same for the compiler, which calls it unchanged rather than unroll the chunks."""


@_OPERATOR.register_fake
def _(
    residuals: Tensor, head: Tensor, targets: Tensor, z_loss: float, rows: int, kind: torch.dtype, gradients: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    exact = torch.promote_types(kind, torch.float32)
    return (
        residuals.new_empty((), dtype=exact), residuals.new_empty((), dtype=exact),
        torch.empty_like(residuals) if gradients else residuals.new_empty(0),
        torch.empty_like(head, dtype=exact) if gradients else head.new_empty(0, dtype=exact),
    )  # fmt: skip


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, residuals: Tensor, head: Tensor, targets: Tensor, z_loss: float, rows: int, kind: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        gradients = any(ctx.needs_input_grad)
        compute = _OPERATOR if torch.compiler.is_compiling() else _with_gradients
        crossed, squared, *kept = compute(residuals, head, targets, z_loss, rows, kind, gradients)
        ctx.save_for_backward(*kept)
        ctx.head_type = head.dtype
        goal = crossed + z_loss * squared if z_loss else crossed.clone()
        ctx.mark_non_differentiable(crossed)
        return goal, crossed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        to_x, to_weight = ctx.saved_tensors
        return (
            (to_x * gradient).to(to_x.dtype), (to_weight * gradient).to(ctx.head_type), None, None, None, None
        )  # fmt: skip


def chunked_cross_entropy(
    residuals: Tensor, head: Tensor, targets: Tensor, *, z_loss: float = 0.0, rows: int, kind: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return the objective and the mean cross-entropy (nats/token), scalars in float32, the latter without gradient.

    Parameters
    ----------
    residuals : Tensor, shape (tokens, width)
    head : Tensor, shape (vocab, width)
    targets : int tensor, shape (tokens,)
        Ignored ones (:data:`~calque.models.decoder.targets.IGNORED`) add nothing to the sums, which are divided by the
        number of all targets.
    z_loss : float
        Coefficient of the mean squared log-normaliser.
    rows : int
        Tokens of a chunk.
    kind : torch.dtype
        The type of computation: of the factors of the products.
    """
    goal, crossed = _ChunkedCrossEntropy.apply(residuals, head, targets, z_loss, rows, kind)  # type: ignore[no-untyped-call]
    return goal, crossed

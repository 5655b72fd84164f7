"""Norms as linear maps: their scale is held at what the whole input gives, so that parts of the input add up."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from calque.models.reading.parts import as_used


def pulled_back(norm: nn.Module, x: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Return the direction before a norm and the constant that give a direction's product with the norm's output.

    For every split of ``x`` into parts, ``norm(x) @ direction`` is the sum of ``part @ before`` plus the constant. The
    norm's scale depends on ``x`` and is held fixed (Elhage et al. 2021, "A Mathematical Framework for Transformer
    Circuits", handling layer normalisation).

    Parameters
    ----------
    norm : nn.Module
        RMSNorm or LayerNorm.
    x : Tensor, shape (..., width)
        The whole input.
    direction : Tensor, shape (..., width)

    Returns
    -------
    before : Tensor, shape (..., width)
    constant : Tensor, shape (...)
        From the norm's bias; 0 where it has none.
    """
    weighted = direction * as_used(norm).to(x.dtype)
    eps = float(norm.eps if hasattr(norm, "eps") else norm.variance_epsilon)  # type: ignore[arg-type]
    bias = getattr(norm, "bias", None)
    constant = torch.zeros_like(x[..., 0]) if bias is None else direction @ bias.to(x.dtype)
    if isinstance(norm, nn.LayerNorm):
        weighted = weighted - weighted.mean(-1, keepdim=True)
        scale = (x.var(-1, correction=0, keepdim=True) + eps).sqrt()
    else:
        scale = (x.square().mean(-1, keepdim=True) + eps).sqrt()
    return weighted / scale, constant

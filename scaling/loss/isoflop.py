"""Compute-optimal sizes under the Chinchilla law: least loss among runs of equal FLOPs, C = 6 N D."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FLOPS_PER_PARAMETER_TOKEN = 6.0


def optimum(parameters: dict[str, float], flops: float | Array) -> tuple[Array, Array]:
    """Return parameters N and tokens D of least loss at ``flops`` = 6 N D.

    ``N = G (C/6)^(beta/(alpha+beta))``, ``D = (C/6)^(alpha/(alpha+beta)) / G`` with
    ``G = (alpha A / (beta B))^(1/(alpha+beta))`` (Hoffmann et al. 2022, equation 4).
    """
    alpha, beta = parameters["alpha"], parameters["beta"]
    together = alpha + beta
    g = (alpha * parameters["A"] / (beta * parameters["B"])) ** (1 / together)
    each = np.asarray(flops, float) / FLOPS_PER_PARAMETER_TOKEN
    return g * each ** (beta / together), each ** (alpha / together) / g


def curve(parameters: dict[str, float], flops: float, n: Array) -> Array:
    """Return the loss of sizes ``n`` trained with ``flops`` each."""
    d = flops / FLOPS_PER_PARAMETER_TOKEN / n
    p = parameters
    result: Array = p["E"] + p["A"] * n ** -p["alpha"] + p["B"] * d ** -p["beta"]
    return result

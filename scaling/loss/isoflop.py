"""Compute-optimal sizes under the Chinchilla law: least loss among runs of equal FLOPs, C = 6 N D."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from calque.scaling.loss.result import LossFit

Array = NDArray[np.float64]
FLOPS_PER_PARAMETER_TOKEN = 6.0


def optimum(parameters: dict[str, float], flops: float | Array) -> tuple[Array, Array]:
    """Return parameters N and tokens D of least loss at ``flops`` = 6 N D.

    ``N = G (C/6)^(beta/(alpha+beta))``, ``D = (C/6)^(alpha/(alpha+beta)) / G`` with
    ``G = (alpha A / (beta B))^(1/(alpha+beta))`` (Hoffmann et al. 2022, equation 4).

    Parameters
    ----------
    parameters : dict
        E, A, B, alpha, beta of the Chinchilla law.
    flops : float or array, shape (m,)
        Training FLOPs.
    """
    alpha, beta = parameters["alpha"], parameters["beta"]
    together = alpha + beta
    g = (alpha * parameters["A"] / (beta * parameters["B"])) ** (1 / together)
    each = np.asarray(flops, float) / FLOPS_PER_PARAMETER_TOKEN
    return g * each ** (beta / together), each ** (alpha / together) / g


def curve(parameters: dict[str, float], flops: float, n: Array) -> Array:
    """Return the loss of sizes ``n`` trained with ``flops`` each.

    Parameters
    ----------
    parameters : dict
        E, A, B, alpha, beta of the Chinchilla law.
    flops : float
        Training FLOPs of each run.
    n : array, shape (m,)
        Parameters.
    """
    d = flops / FLOPS_PER_PARAMETER_TOKEN / n
    p = parameters
    result: Array = p["E"] + p["A"] * n ** -p["alpha"] + p["B"] * d ** -p["beta"]
    return result


def isoflop_view(fitted: LossFit, levels: int = 6) -> dict[str, Any] | None:
    """Return what the isoFLOP picture is drawn from; None where no Chinchilla law was fitted.

    ``points``: n, d, loss and flops of what was fitted; ``curves``: the law's loss at sizes n, one a number of FLOPs;
    ``optima``: the size, tokens and loss that are best at each.

    Parameters
    ----------
    fitted : LossFit
        The law.
    levels : int
        Numbers of FLOPs for which a curve is computed.
    """
    if fitted.law != "chinchilla" or not fitted.parameters:
        return None
    points = fitted.points
    flops = FLOPS_PER_PARAMETER_TOKEN * points.n * points.d
    n = np.geomspace(points.n.min() / 2, points.n.max() * 2, 200)
    curves, optima = [], []
    for level in np.geomspace(flops.min() * 1.2, flops.max(), levels).tolist():
        values = curve(fitted.parameters, level, n)
        near = values < points.loss.max() * 1.02
        curves.append({"flops": level, "n": n[near].tolist(), "loss": values[near].tolist()})
        best, tokens = (float(v) for v in optimum(fitted.parameters, level))
        least = float(curve(fitted.parameters, level, np.array([best]))[0])
        optima.append({"flops": level, "n": best, "d": tokens, "loss": least})
    columns = {"n": points.n, "d": points.d, "loss": points.loss, "flops": flops}
    return {"points": {k: v.tolist() for k, v in columns.items()}, "curves": curves, "optima": optima}

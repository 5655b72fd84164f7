"""The affine-invariant ensemble sampler (stretch move) of Goodman and Weare (2010)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sample(
    log_density: Callable[[Array], Array],
    start: Array,
    draws: int,
    rng: np.random.Generator,
    burn: int = 500,
    thin: int = 10,
    stretch: float = 2.0,
) -> tuple[Array, float]:
    """Draw from a density known up to a constant.

    Parameters
    ----------
    log_density : callable
        Takes points (k, d), returns (k,); ``-inf`` is allowed.
    start : array, shape (walkers, d)
        An even number of distinct points.
    draws : int
        Points to return, at least.
    rng : numpy.random.Generator
        Source of randomness.
    burn, thin : int
        Steps discarded at the start, and steps between two that are kept.
    stretch : float
        The move's scale a.

    Returns
    -------
    points : array, shape (draws or a few more, d)
    acceptance : float
        Share of moves accepted after the burn-in.
    """
    walkers, d = start.shape
    half = walkers // 2
    assert walkers == 2 * half, "an even number of walkers"
    points, density = start.copy(), log_density(start)
    steps = burn + thin * -(-draws // walkers)
    kept, accepted = [], 0
    for step in range(steps):
        for mine, other in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
            z = (rng.random(half) * (stretch**0.5 - stretch**-0.5) + stretch**-0.5) ** 2
            partner = points[other][rng.integers(half, size=half)]
            proposal = partner + z[:, None] * (points[mine] - partner)
            proposed = log_density(proposal)
            with np.errstate(invalid="ignore"):
                better = np.log(rng.random(half)) < (d - 1) * np.log(z) + proposed - density[mine]
            points[mine] = np.where(better[:, None], proposal, points[mine])
            density[mine] = np.where(better, proposed, density[mine])
            accepted += int(better.sum()) if step >= burn else 0
        if step >= burn and (step - burn) % thin == thin - 1:
            kept.append(points.copy())
    return np.concatenate(kept), accepted / (walkers * (steps - burn))

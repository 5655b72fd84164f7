"""The maximum of the penalised likelihood of a law, and whether the floor's share is identified there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import chi2

from calque.scaling.laws.base import Law
from calque.scaling.laws.likelihood import LOG_SIGMA, SIGMA_BOUNDS, log_likelihood, penalised
from calque.scaling.laws.run_times import RunTimes

Array = NDArray[np.float64]
FLAT_LEVEL = 0.9


def maximise(
    chosen: Law,
    data: RunTimes,
    reference: float,
    fixed: tuple[int, float] | None = None,
    keep: int = 2,
    rounds: int = 5,
) -> tuple[Array, bool]:
    """Return the parameters of highest penalised likelihood, from several starting points.

    Parameters
    ----------
    chosen : Law
    data : RunTimes
    reference : float
        Non-embedding parameters at which the law's first coordinate is the log time.
    fixed : tuple of int and float, optional
        One coordinate, by position, held at a value.
    keep : int
        How many of the best starting points are refined.
    rounds : int
        Restarts of each search, at most.

    Returns
    -------
    parameters : array, shape (p + 1,)
        (theta, ln sigma).
    ok : bool
        Whether the objective is finite there.
    """
    starts = chosen.starts(float(data.y[data.located].mean()))
    if fixed is not None:
        starts[:, fixed[0]] = fixed[1]
    largest = data.located & (data.n >= data.n[data.located].max() * 0.98)
    starts[:, 0] = data.y[largest].mean()
    values = log_likelihood(chosen, starts, np.full(len(starts), np.log(0.2)), data, reference)
    bounds = [*chosen.bounds, SIGMA_BOUNDS]
    if fixed is not None:
        bounds[fixed[0]] = (fixed[1], fixed[1])
    best, lowest, ok = np.append(starts[0], LOG_SIGMA[0]), np.inf, False
    for i in np.argsort(values)[::-1][:keep]:
        point, before = np.append(starts[i], np.log(0.2)), np.inf
        for _ in range(rounds):
            # Restarts: the scaling that TNC learned far from the maximum misleads it when sigma becomes small.
            # TNC rather than L-BFGS-B, which calls threaded BLAS on 4 x 4 matrices: 45 times slower on a busy machine.
            found = minimize(
                penalised, point, args=(chosen, data, reference), jac=True, method="TNC", bounds=bounds,
                options={"maxfun": 400, "ftol": 1e-15, "xtol": 1e-12, "gtol": 1e-9},
            )  # fmt: skip
            point = found.x
            if not found.fun < before - 1e-7:
                break
            before = float(found.fun)
        if found.fun < lowest:
            best, lowest, ok = found.x, float(found.fun), bool(np.isfinite(found.fun))
    return best, ok


def is_flat(chosen: Law, data: RunTimes, reference: float, best: Array) -> bool:
    """Return whether the profile likelihood rules out no share of the floor from 0 to .95 at 90 %.

    Parameters
    ----------
    chosen : Law
        A law without the coordinate ``phi`` is never flat.
    data : RunTimes
    reference : float
        As in :func:`maximise`.
    best : array, shape (p + 1,)
        The maximum.
    """
    if "phi" not in chosen.coordinates:
        return False
    at = chosen.coordinates.index("phi")
    lowest = penalised(best, chosen, data, reference)[0]
    for phi in (0.0, 0.95, 0.9, 0.75, 0.5, 0.25):
        point, _ = maximise(chosen, data, reference, fixed=(at, phi), rounds=2)
        if 2 * (penalised(point, chosen, data, reference)[0] - lowest) >= chi2.ppf(FLAT_LEVEL, 1):
            return False
    return True

"""What the data of one series say of the time of its takeoff: a likelihood over ln tokens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TakeoffLikelihood:
    """The likelihood of the takeoff of one series over ln tokens, constant within bins.

    Attributes
    ----------
    run, group, metric : str
        The series.
    edges : tuple of float, k + 1
        Edges of the bins, ln tokens, increasing.
    log_likelihood : tuple of float, k
        Log likelihood in each bin, 0 at its greatest.
    before, after : float
        Log likelihood of a takeoff before ``first`` and of none by ``last``; ``-inf`` where no curve says so.
    first, last : float
        ln tokens of the first trained and of the last checkpoint.
    """

    run: str
    group: str
    metric: str
    edges: tuple[float, ...]
    log_likelihood: tuple[float, ...]
    before: float
    after: float
    first: float
    last: float

"""Flags of doubtful checkpoints: duplicate weights, outliers, scores that are not finite.

Public suites have served the same weights under most of their revisions; the cube shows this before it is analysed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calque.data.cube import CHECKPOINT_FLAGS
from calque.data.outliers import outlying, running_median

DUPLICATE, OUTLIER, NOT_FINITE = (1 << i for i in range(len(CHECKPOINT_FLAGS)))
FEWEST = 7
"""Fewest checkpoints among which outliers are looked for."""
LEAST = 0.01
"""Least robust standard deviation as a share of the scores' range, for curves without noise."""


def flags(sha256: Sequence[str], scores: Sequence[float]) -> NDArray[np.int8]:
    """Return the flags of a run's checkpoints, in the order of training, shape (checkpoints,).

    Parameters
    ----------
    sha256 : sequence of str
        Of the weights. All equal ones are flagged: which of them has its true position is unknown.
    scores : sequence of float
        One summary for each checkpoint; NaN or infinite where it could not be computed.
    """
    values = np.asarray(scores, float)
    found = np.zeros(len(values), np.int8)
    found[~np.isfinite(values)] |= NOT_FINITE
    for group in duplicates(sha256):
        found[group] |= DUPLICATE
    judged = np.flatnonzero(found == 0)
    found[judged[_out_of_line(values[judged])]] |= OUTLIER
    return found


def duplicates(sha256: Sequence[str]) -> list[list[int]]:
    """Return the groups of indices with equal ``sha256``, each group ascending."""
    places: dict[str, list[int]] = {}
    for i, digest in enumerate(sha256):
        places.setdefault(digest, []).append(i)
    return [group for group in places.values() if len(group) > 1]


def _out_of_line(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which values lie far from the median around them; the first and the last never do."""
    if len(values) < FEWEST:
        return np.zeros(len(values), bool)
    deviation = np.abs(values - running_median(values, symmetric=True))
    return outlying(deviation, LEAST * float(np.ptp(values)))


def flag_messages(revisions: Sequence[str], sha256: Sequence[str], found: NDArray[np.int8]) -> list[str]:
    """Return messages about the flags, one line each.

    Parameters
    ----------
    revisions : sequence of str
        Names, in the order of training.
    sha256 : sequence of str
        Of their weights.
    found : array of int8
        Their flags.
    """
    lines = []
    groups = duplicates(sha256)
    if groups:
        shown = "; ".join(" = ".join(_some([revisions[i] for i in group])) for group in groups[:3])
        more = f"; and {len(groups) - 3} groups more" if len(groups) > 3 else ""
        lines.append(
            f"{sum(map(len, groups))} of {len(revisions)} checkpoints have the weights of another ({shown}{more}): "
            "flagged duplicate_weights; at most one of each has its true position"
        )
    for mask, name, what in (
        (OUTLIER, "outlier", "score out of line with their neighbours"),
        (NOT_FINITE, "not_finite", "gave numbers that are not finite"),
    ):
        those = [name for name, flag in zip(revisions, found, strict=True) if flag & mask]
        if those:
            lines.append(
                f"{len(those)} of {len(revisions)} checkpoints {what} ({', '.join(_some(those))}): flagged {name}"
            )
    return lines


def _some(names: list[str]) -> list[str]:
    return names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]

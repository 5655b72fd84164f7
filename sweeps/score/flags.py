"""Flags of doubtful checkpoints: duplicate weights, shared files, outliers, scores that are not finite.

Public suites have served the same weights under most of their revisions; the cube shows this before it is analysed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calque.data.cube import CHECKPOINT_FLAGS
from calque.data.outliers import outlying, running_median
from calque.data.quantities import plural

DUPLICATE, OUTLIER, NOT_FINITE, SHARED = (1 << i for i in range(len(CHECKPOINT_FLAGS)))
FEWEST = 7
"""Fewest checkpoints among which outliers are looked for."""
LEAST = 0.01
"""Least robust standard deviation as a share of the scores' range, for curves without noise."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a checkpoint is judged by.

    Attributes
    ----------
    sha256 : str
        Of the weights.
    files : frozenset of str
        SHA-256 of every file with weights; empty where they are not known one by one.
    score : float
        One summary of its scores; NaN where there is none.
    finite : bool
        Whether every number that was asked for is finite.
    """

    sha256: str
    files: frozenset[str] = frozenset()
    score: float = math.nan
    finite: bool = True


def flags(checkpoints: Sequence[Evidence]) -> NDArray[np.int8]:
    """Return the flags of a run's checkpoints, shape (checkpoints,).

    All checkpoints with equal weights are flagged, and all that share a file: which of them has its true position is
    unknown.

    Parameters
    ----------
    checkpoints : sequence of Evidence
        In the order of training.
    """
    found = np.zeros(len(checkpoints), np.int8)
    values = np.array([one.score for one in checkpoints], float)
    found[[not one.finite for one in checkpoints]] |= NOT_FINITE
    for group in duplicates([one.sha256 for one in checkpoints]):
        found[group] |= DUPLICATE
    for group in shared_files(checkpoints).values():
        found[group] |= SHARED
    judged = np.flatnonzero(((found & (DUPLICATE | NOT_FINITE)) == 0) & np.isfinite(values))
    found[judged[_out_of_line(values[judged])]] |= OUTLIER
    return found


def shared_files(checkpoints: Sequence[Evidence]) -> dict[str, list[int]]:
    """Return, for every file that stands in checkpoints whose weights differ, their indices, ascending.

    Parameters
    ----------
    checkpoints : sequence of Evidence
        In the order of training.
    """
    places: dict[str, list[int]] = {}
    for i, one in enumerate(checkpoints):
        for file in sorted(one.files):
            places.setdefault(file, []).append(i)
    return {file: those for file, those in places.items() if len({checkpoints[i].sha256 for i in those}) > 1}


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


def flag_messages(revisions: Sequence[str], checkpoints: Sequence[Evidence], found: NDArray[np.int8]) -> list[str]:
    """Return messages about the flags, one line each.

    Parameters
    ----------
    revisions : sequence of str
        Names, in the order of training.
    checkpoints : sequence of Evidence
        What they are judged by.
    found : array of int8
        Their flags.
    """
    lines = []
    groups = duplicates([one.sha256 for one in checkpoints])
    if groups:
        lines.append(
            f"{sum(map(len, groups))} of {plural(len(revisions), 'checkpoint')} have the weights of another "
            f"({_equal(groups, revisions)}): flagged duplicate_weights; at most one of each has its true position"
        )
    parts = list({tuple(those): those for those in shared_files(checkpoints).values()}.values())
    if parts:
        count = len({i for those in parts for i in those})
        lines.append(
            f"{count} of {plural(len(revisions), 'checkpoint')} share a file of weights with another while the rest "
            f"differs ({_equal(parts, revisions)}): flagged shared_file; at most one of each is whole as it was "
            "trained"
        )
    for mask, name, what in (
        (OUTLIER, "outlier", "score out of line with their neighbours"),
        (NOT_FINITE, "not_finite", "gave numbers that are not finite, which are missing in the cube"),
    ):
        those = [name for name, flag in zip(revisions, found, strict=True) if flag & mask]
        if those:
            lines.append(
                f"{len(those)} of {plural(len(revisions), 'checkpoint')} {what} ({', '.join(_some(those))}): flagged "
                f"{name}"
            )
    return lines


def _equal(groups: Sequence[Sequence[int]], revisions: Sequence[str]) -> str:
    shown = "; ".join(" = ".join(_some([revisions[i] for i in group])) for group in groups[:3])
    return shown + (f"; and {plural(len(groups) - 3, 'group')} more" if len(groups) > 3 else "")


def _some(names: list[str]) -> list[str]:
    return names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]

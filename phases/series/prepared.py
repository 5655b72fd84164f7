"""From trajectories to what is analysed: repeated values count once, and thousands of checkpoints are averaged.

Whatever is decided here is said in a sentence, the same at import and in every result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

from calque.data.quantities import format_count
from calque.phases.series.bins import binned, bins
from calque.phases.series.repeats import Repeats, equal_checkpoints, repeats, without_repeats
from calque.phases.series.trajectory import Trajectory

LISTED = 6
"""Names of a sentence, at most."""


def prepared(series: Sequence[Trajectory], average: bool = True) -> tuple[list[Trajectory], tuple[str, ...]]:
    """Return series as they are analysed, and sentences that say what was done to which.

    Parameters
    ----------
    series : sequence of Trajectory
        Of one cube; those of a run stand together.
    average : bool
        Whether neighbouring checkpoints are averaged where there are thousands.

    Returns
    -------
    tuple of list of Trajectory, and tuple of str
        As many series, in the same order, and the sentences.
    """
    out: list[Trajectory] = []
    repeated: list[tuple[Trajectory, Repeats]] = []
    long: list[tuple[str, int, int, float]] = []
    for run, of_run in groupby(series, key=lambda t: t.run):
        mine = list(of_run)
        again = equal_checkpoints(mine)
        for i, t in enumerate(mine):
            found = repeats(t) or _equal(t, again)
            if found is not None:
                repeated.append((t, found))
                mine[i] = without_repeats(t, found)
        starts = bins(np.unique(np.concatenate([t.index for t in mine]))) if average else None
        if starts is not None:
            few = [binned(t, starts) if t.n else t for t in mine]
            widest = max((float(np.diff(t.tokens).max()) for t in few if t.n > 1), default=0.0)
            long.append((run, max(t.n for t in mine), max(t.n for t in few), widest))
            mine = few
        out += mine
    return out, (*_of_repeats(repeated), *_of_bins(long))


def _equal(t: Trajectory, again: np.ndarray) -> Repeats | None:
    kept = np.flatnonzero(~np.isin(t.index, again))
    return Repeats(kept, 2, "equal") if len(kept) < t.n else None


def _of_repeats(found: Sequence[tuple[Trajectory, Repeats]]) -> Iterable[str]:
    """Yield a sentence for each way in which values are repeated."""
    ways: dict[tuple[str, int], list[tuple[Trajectory, Repeats]]] = {}
    for t, one in found:
        ways.setdefault((one.pattern, one.times if one.pattern == "regular" else 0), []).append((t, one))
    for (pattern, times), of_way in ways.items():
        rows, kept = (sorted(counts) for counts in zip(*((t.n, len(one.kept)) for t, one in of_way), strict=True))
        where = f"{_names(t.metric for t, _ in of_way)} of {_names(t.run for t, _ in of_way)}"
        many = f"{_range(kept)} of {_range(rows)} checkpoints are analysed"
        yield {
            "regular": f"{where}: each value stands {times} times in a row, as if held between evaluations: {many}",
            "irregular": f"{where}: values stand several times in a row, more often than by chance: {many}",
            "equal": f"{where}: checkpoints are equal to the one before in every metric and left out: {many}",
        }[pattern]


def _of_bins(found: Sequence[tuple[str, int, int, float]]) -> Iterable[str]:
    """Yield the sentence that says which runs are averaged, and what that loses."""
    if found:
        rows, kept = (sorted(counts) for counts in zip(*((n, few) for _, n, few, _ in found), strict=True))
        widest = format_count(max(w for *_, w in found))
        yield (
            f"{_names(run for run, *_ in found)}: {_range(rows)} checkpoints are analysed as {_range(kept)} means of "
            f"neighbours: what happens within {widest} tokens is not told apart"
        )


def _names(names: Iterable[str]) -> str:
    known = list(dict.fromkeys(names))
    more = [f"{len(known) - LISTED} more"] if len(known) > LISTED else []
    return ", ".join(known[:LISTED] + more)


def _range(counts: Sequence[int]) -> str:
    return f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"

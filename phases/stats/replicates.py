r"""Growth told from noise that lasts as long as the run by all seeds of a condition, where one run alone cannot.

Noise that wanders over the whole run looks like growth of some shape, so one run needs a large gain over diminishing
returns (:func:`calque.phases.dictionary.averaged_noise.gain_that_tells`). But it wanders elsewhere in each run, while
growth is there in all of them. Let :math:`g_k` be the gain of run k over the gain that one run needs, at most 1. K runs
of one condition tell growth together where the mean of g is at least :math:`m + (1 - m)/\sqrt K`: under such noise the
mean of K runs scatters :math:`\sqrt K` times less about its expectation, for which m is an upper bound.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from calque.data.quantities import plural
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.many_tests import Key

EXPECTED = 0.35
"""Upper bound of the share of the gain that persistent noise is expected to give by chance (docs/METHODS.md)."""


def needed(runs: int) -> float:
    """Return the mean share of the gain that tells growth from persistent noise, over this many runs.

    Parameters
    ----------
    runs : int
        Runs of a condition, at least 1.
    """
    return EXPECTED + (1 - EXPECTED) / math.sqrt(runs)


def told_together(
    series: Sequence[Trajectory], told: Mapping[Key, float], refused: Collection[Key],
    conditions: Iterable[Sequence[str]],
) -> tuple[list[Trajectory], tuple[str, ...]]:  # fmt: skip
    """Return the series of a cube, of which those that all runs of their condition tell from such noise are marked.

    Parameters
    ----------
    series : sequence of Trajectory
        Of a cube.
    told : mapping of (run, group, metric) to float
        The share of the gain that each has, 0 to 1; those that fall, or are not fitted, are left out.
    refused : collection of (run, group, metric)
        Those whose noise is too persistent by themselves.
    conditions : iterable of sequence of str
        Runs of each condition that has several seeds.

    Returns
    -------
    list of Trajectory
        The series; those that are refused by themselves and told together carry the number of runs.
    tuple of str
        One sentence for each condition and metric that has some.
    """
    marks: dict[Key, int] = {}
    notes = []
    for runs in conditions:
        for group, metric in dict.fromkeys((t.group, t.metric) for t in series):
            shares = [told[run, group, metric] for run in runs if (run, group, metric) in told]
            alone = [run for run in runs if (run, group, metric) in refused]
            if len(shares) > 1 and alone and sum(shares) / len(shares) >= needed(len(shares)):
                marks |= {(run, group, metric): len(shares) for run in alone}
                notes.append(_note(metric, group, alone, len(shares)))
    keys = [(t.run, t.group, t.metric) for t in series]
    marked = [replace(t, told_by=marks[key]) if key in marks else t for key, t in zip(keys, series, strict=True)]
    return marked, tuple(notes)


def _note(metric: str, group: str, runs: Sequence[str], count: int) -> str:
    name = f"{group} {metric}".strip()
    which = f"run {runs[0]}" if len(runs) == 1 else f"runs {', '.join(runs)}"
    return (
        f"{name} of {which}: noise that lasts as long as the run would explain the growth of one run alone, "
        f"but not that of all {plural(count, 'seed')} of the condition"
    )

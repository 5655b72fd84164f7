"""How long a simulation will take: one replicate of each kind of question is timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence

from calque.data.quantities import format_duration, plural
from calque.phases.processes import one_thread


def in_words(work: Sequence[tuple[Hashable, int, Callable[[], object]]], jobs: int) -> str:
    """Return the expected duration in words.

    Parameters
    ----------
    work : sequence of (kind, replicates, callable)
        Replicates to be analysed, and how to analyse one of them. The first of every kind is timed, after one that is
        not, because what is compiled or loaded once does not count.
    jobs : int
        Processes at once.
    """
    if not work:
        return "nothing to simulate"
    seconds: dict[Hashable, float] = {}
    one_thread(work[0][2])()
    for kind, _, once in work:
        if kind not in seconds:
            start = time.perf_counter()
            one_thread(once)()
            seconds[kind] = time.perf_counter() - start
    total = sum(seconds[kind] * replicates for kind, replicates, _ in work)
    return f"about {format_duration(total / jobs)} with {plural(jobs, 'process', 'processes')}"

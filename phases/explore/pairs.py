"""Source by target: a metric at a position in training, and the takeoffs of the pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from calque.data.metrics import ITEM_LOGPROBS
from calque.data.quantities import format_count, format_interval, plural
from calque.phases.explore.items import Totals
from calque.phases.explore.located import Located
from calque.phases.explore.series import PAIR, pair_label
from calque.phases.explore.study import Study
from calque.phases.results import Outcome, Transition
from calque.phases.series.axis import Array
from calque.phases.wording import outcome_words

UNLIKE_FOUND = " †"
"""Mark of a takeoff in a cell of the map, too narrow for words, whose outcome is not ``found``."""


def languages(study: Study, runs: Sequence[str], metric: str) -> tuple[list[int], list[int]]:
    """Return the positions of the sources and of the targets of which the runs have items.

    Parameters
    ----------
    study : Study
        Cube to read.
    runs : sequence of str
        Names of the runs.
    metric : str
        A metric of items.
    """
    asked = np.zeros((study.cube.sizes["source"], study.cube.sizes["target"]), bool)
    for run in runs:
        asked |= study.items.mask(study.position(run), metric).any(-1)
    return np.flatnonzero(asked.any(1)).tolist(), np.flatnonzero(asked.any(0)).tolist()


def positions(study: Study, runs: Sequence[str]) -> Array:
    """Return the checkpoints (n,), in tokens, of the longest of ``runs`` in ``study``."""
    each = [study.tokens(run) for run in runs]
    longest = max(each, key=lambda tokens: float(np.nanmax(tokens)))
    return longest[np.isfinite(longest)]


def at_position(study: Study, runs: Sequence[str], metric: str, tokens: float) -> Totals:
    """Return the sums over concepts and runs, each at its last checkpoint up to ``tokens``: (source, target).

    Parameters
    ----------
    study : Study
        Cube to read.
    runs : sequence of str
        Names of the runs.
    metric : str
        A metric of items.
    tokens : float
        Position in training.
    """
    total = np.zeros((study.cube.sizes["source"], study.cube.sizes["target"]))
    n = np.zeros_like(total)
    for run in runs:
        seen = np.flatnonzero(study.tokens(run) <= tokens * (1 + 1e-9))
        if seen.size:
            one = study.items.by_pair(study.position(run), metric)
            total, n = total + one.total[seen[-1]], n + one.n[seen[-1]]
    return Totals(total, n)


def rate_table(study: Study, runs: Sequence[str], metric: str, tokens: float) -> pd.DataFrame:
    """Return a table with one row a pair that has items: source, target, value, n, and the value as text.

    Parameters
    ----------
    study : Study
        Cube to read.
    runs : sequence of str
        Names of the runs.
    metric : str
        A metric of items.
    tokens : float
        Position in training.
    """
    sums = at_position(study, runs, metric, tokens)
    sources, targets = study.items.labels("source"), study.items.labels("target")
    rows = [
        {
            "source": sources[s], "target": targets[t], "value": float(sums.mean[s, t]), "n": int(sums.n[s, t]),
            "shown": f"{sums.mean[s, t]:.1f}" if metric in ITEM_LOGPROBS else f"{100 * sums.mean[s, t]:.0f}",
        }
        for s, t in np.argwhere(sums.n > 0).tolist()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["source", "target", "value", "n", "shown"])


def takeoff_table(
    located: Located, study: Study, runs: Sequence[str], metric: str, estimand: str = "takeoff"
) -> pd.DataFrame:
    """Return a table with one row a pair: the median over runs of its takeoff, NaN where half of them have none.

    Parameters
    ----------
    located : Located
        Known transitions.
    study : Study
        Cube to read.
    runs : sequence of str
        Names of the runs.
    metric : str
        A metric of items.
    estimand : str
        Location to show in place of the takeoff.
    """
    sources, targets = study.items.labels("source"), study.items.labels("target")
    rows = []
    for source in sources:
        for target in targets:
            part = pair_label(source, target)
            found = [located.of(run, PAIR, part, metric).get(estimand) for run in runs]
            known = [row for row in found if row is not None]
            if not known:
                continue
            times = [row.tokens for row in known if row.tokens is not None]
            middle = float(np.median(times)) if len(times) * 2 > len(known) else np.nan
            sharp = all(row.outcome == Outcome.FOUND for row in known)
            lone = known[0] if len(known) == 1 else None
            interval = (
                f"{len(times)} of {plural(len(known), 'run')}" if lone is None else format_interval(lone.low, lone.high)
            )
            rows.append(
                {
                    "source": source,
                    "target": target,
                    "tokens": middle,
                    "log": np.log10(middle),
                    "interval": interval,
                    "shown": f"{format_count(middle)}{'' if sharp else UNLIKE_FOUND}" if np.isfinite(middle) else "–",
                    "outcome": outcome_words(lone.outcome) if lone is not None else _outcomes(known),
                }  # fmt: skip
            )
    return pd.DataFrame(rows, columns=["source", "target", "tokens", "log", "interval", "shown", "outcome"])


def _outcomes(rows: Sequence[Transition]) -> str:
    """Return how many rows have which outcome, such as ``2 found, 1 censored``."""
    return ", ".join(f"{n} {word}" for word, n in Counter(outcome_words(row.outcome) for row in rows).items())

"""Notes on imported metrics that may be of another kind than assumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import xarray as xr

from calque.data.quantities import plural
from calque.phases.formats.dataset import first_wrong
from calque.phases.series.names import WRITTEN

ROUNDED = 5e-4
"""By how much a proportion written with three digits may be off."""
LEAST_RANGE = 10.0
"""Values that move by less are losses and the like rather than percentages."""
FEW = 1e6
"""Tokens of a run that are fewer than this and no whole numbers count something else, such as billions."""
WHOLE = 0.1
"""By how much a count may be off that is computed from a proportion in full."""


def doubts(cube: xr.Dataset, declared: frozenset[str], told: Sequence[str] = ()) -> tuple[str, ...]:
    """Return a line for each metric whose kind was supposed or whose values do not fit its trials, and on odd tokens.

    Parameters
    ----------
    cube : xarray.Dataset
        As imported, with ``metric_kind`` and ``trials``.
    declared : frozenset of str
        Metrics that the user has called continuous.
    told : sequence of str
        Notes that there are already; a metric of which it was said that it has no trials is not named again.
    """
    out = [*_fractional(cube)]
    for name, values in cube.data_vars.items():
        kind, metric = values.attrs.get("metric_kind"), str(name)
        written = str(values.attrs.get(WRITTEN, metric))
        known = any(note.startswith(f"{written} is no count") for note in told)
        if kind == "proportion" and "trials" not in values.attrs and not known:
            out.append(
                f"'{written}' lies between 0 and 1 and has no trials: it is analysed as a continuous score whose noise "
                "is estimated; if it is a share of right answers, give the number of questions as `trials`"
            )
        if "trials" in values.attrs and isinstance(values.attrs["trials"], str):
            lacking = int((values.notnull() & cube[values.attrs["trials"]].isnull()).sum())
            if lacking:
                out.append(f"'{written}' has no trials at {plural(lacking, 'checkpoint')}, which are not analysed")
        if kind == "continuous" and metric not in declared and _like_percentages(values):
            out.append(
                f"'{written}' lies between {float(values.min()):.4g} and {float(values.max()):.4g} and was taken for a "
                "continuous score: if it is a percentage, import it with `percent`; if not, with `continuous`"
            )
        if kind == "count" and _like_percentages(values) and values.attrs["trials"] != 100:
            out.append(
                f"'{written}' is whole numbers from {float(values.min()):.4g} to {float(values.max()):.4g} and was "
                f"read as counts of right answers{_of(values)}: if it is in percent, import it with `percent`"
            )
        if kind == "proportion" and "trials" in values.attrs:
            given = values.attrs["trials"]
            trials = cube[given] if isinstance(given, str) else xr.full_like(values, float(given))
            counts = values * trials
            wrong = abs(counts - counts.round()) > WHOLE + ROUNDED * trials
            if bool(wrong.any()):
                at, where = first_wrong(wrong, cube)
                share, n = (float(v.transpose("run", "checkpoint").values[at]) for v in (values, trials))
                out.append(
                    f"'{written}' {where} tokens is {share:.6g} with {plural(float(n), 'trial')}, which is no whole "
                    f"number of successes (at {plural(int(wrong.sum()), 'checkpoint')}): are there other trials, or is "
                    "it an average of several?"
                )
    return tuple(out)


def _of(values: xr.DataArray) -> str:
    trials = values.attrs["trials"]
    return "" if isinstance(trials, str) else f" out of {float(trials):.10g}"


def _fractional(cube: xr.Dataset) -> Iterator[str]:
    """Yield a note where the positions of a run are fractions, and too small to be tokens that were computed."""
    tokens = cube["tokens"]
    few = tokens.where(tokens.max("checkpoint") < FEW)
    if bool((abs(few - few.round()) > 0).any()):
        yield (
            f"the tokens go from {float(few.min()):.4g} to {float(few.max()):.4g} in fractions: if they are billions, "
            "epochs or logarithms, give the tokens themselves"
        )


def _like_percentages(values: xr.DataArray) -> bool:
    """Return whether values could be percentages: rising or falling within 0 to 100 by 10 or more."""
    low, high = float(values.min()), float(values.max())
    return low >= 0 and high <= 100 and high - low >= LEAST_RANGE

"""Tables of one study's calibration: a row a series, a row a lag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from calque.phases.calibration.grids import Grid, figure_text, figures_json
from calque.phases.calibration.outcomes import Figure, Options
from calque.phases.calibration.study import Calibrated


def study_grids(rows: Sequence[Calibrated]) -> Iterator[Grid]:
    """Yield the table of the series in ``rows``, then that of the lags."""
    series, lags = [r for r in rows if r.second is None], [r for r in rows if r.second is not None]
    heads = ("run", "metric", "delay size", "delay power", "takeoff coverage", "width, decades", "open", "reported", "")
    body = tuple(
        (_where(r), r.metric, _text(r.null, "rejected"), _text(r.fitted, "rejected"), _text(r.fitted, "coverage"),
         _text(r.fitted, "width"), _text(r.fitted, "open"), _text(r.fitted, "reported"), _note(r))
        for r in series
    )  # fmt: skip
    yield Grid("Calibration of this study: series", heads, body)
    if not lags:
        return
    heads = ("run", "from", "to", "size", "power", "coverage", "width, decades", "reported", "")
    body = tuple(
        (_where(r), r.metric, r.second or "", _text(r.null, "rejected"), _text(r.fitted, "rejected"),
         _text(r.fitted, "coverage"), _text(r.fitted, "width"), _text(r.fitted, "reported"), _note(r))
        for r in lags
    )  # fmt: skip
    yield Grid("Calibration of this study: lags", heads, body)


def _where(row: Calibrated) -> str:
    return f"{row.run} {row.group}".strip()


def _text(found: dict[str, Figure] | None, name: str) -> str:
    return figure_text(None if found is None else found.get(name))


def _note(row: Calibrated) -> str:
    if row.second is None and row.fitted is not None and "coverage" not in row.fitted:
        return "the fitted curve never rises that far: power is size, and 'reported' is false takeoffs"
    return row.reason


def study_json(rows: Sequence[Calibrated], cube: str, options: Options, replicates: int) -> dict[str, Any]:
    """Return the figures of a study as standard JSON; absent values are null.

    Parameters
    ----------
    rows : sequence of Calibrated
        Figures of series and lags.
    cube : str
        Path of the cube.
    options : Options
        Seed, and settings of the statistics.
    replicates : int
        Simulated series a question.
    """
    out: dict[str, Any] = {"schema": 1, "cube": cube, "settings": asdict(options) | {"replicates": replicates}}
    for kind, lags in (("series", False), ("lags", True)):
        out[kind] = [_row_json(r) for r in rows if (r.second is not None) == lags]
    return out


def _row_json(row: Calibrated) -> dict[str, Any]:
    names = {"metric": row.metric} if row.second is None else {"first": row.metric, "second": row.second}
    found = {kind: None if f is None else figures_json(f) for kind, f in (("null", row.null), ("fitted", row.fitted))}
    return {"run": row.run, "group": row.group, **names, **found, "reason": row.reason}

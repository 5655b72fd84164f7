"""What the report says of a simulated log: a cube of one run, through all that ``phases detect`` does."""

from __future__ import annotations

import numpy as np
import xarray as xr

from calque.phases.detection.detect import detect
from calque.phases.results import Outcome, Transition
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings

LATE = (Outcome.FOUND, Outcome.METRIC_DEPENDENT)
"""Outcomes of a delayed start that is claimed; a takeoff whose model does not fit is not claimed either."""


def cube_of(t: Trajectory) -> xr.Dataset:
    """Return a series of counts as a cube of one run.

    Parameters
    ----------
    t : Trajectory
        Counts; a cube has no place for a design effect.
    """
    assert t.trials is not None and t.design_effect == 1.0, "counts of independent trials"
    dims = ("run", "checkpoint")
    kind = {"metric_kind": "count", "trials": "trials"}
    return xr.Dataset(
        {
            "tokens": (dims, t.tokens[None]),
            t.metric: (dims, np.round(t.y * t.trials)[None].astype(np.int64), kind),
            "trials": (dims, t.trials[None].astype(np.int64)),
        },
        coords={"run": [t.run]}, attrs={"calque_schema": 1},
    )  # fmt: skip


def said(cube: xr.Dataset, metric: str, settings: Settings) -> dict[str, float]:
    """Return what the report says of the one series of a cube, as numbers.

    Parameters
    ----------
    cube : xarray.Dataset
        One run.
    metric : str
        Its metric.
    settings : Settings
        What is asked.

    Returns
    -------
    dict
        ``p`` of the delay test (1 without one); ``late`` is 1 where a delayed start is found that is not marked as
        beginning at a change of the schedule; ``reported`` is 1 where
        there is a takeoff with tokens; ``x``, ``low``, ``high`` of the takeoff as log10 of the share of the run, ends
        infinite where they are open.
    """
    report = detect(cube, settings)
    run = str(cube["run"].values[0])
    delay, takeoff = (report.of(run, metric, name) for name in ("delay", "takeoff"))
    assert delay is not None and takeoff is not None
    place = _place(takeoff, float(cube["tokens"].values.max()))
    return {
        "p": 1.0 if delay.p_value is None else delay.p_value,
        "late": float(delay.outcome in LATE and not delay.at_change), **place,
    }  # fmt: skip


def _place(takeoff: Transition, end: float) -> dict[str, float]:
    if takeoff.tokens is None or takeoff.outcome == Outcome.MODEL_DOES_NOT_FIT:
        return {"reported": 0.0, "x": np.nan, "low": np.nan, "high": np.nan}

    def at(tokens: float | None, otherwise: float) -> float:
        return otherwise if not tokens else float(np.log10(tokens / end))

    return {
        "reported": 1.0, "x": at(takeoff.tokens, -np.inf), "low": at(takeoff.low, -np.inf),
        "high": at(takeoff.high, np.inf),
    }  # fmt: skip

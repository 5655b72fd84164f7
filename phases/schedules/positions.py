"""Series on another axis than tokens, and their results back in tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from calque.data.errors import UserError
from calque.phases.diagnosis import Diagnosis
from calque.phases.results import Curve, Lag, Transition
from calque.phases.schedules.schedule import Schedule
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import AxisName


@dataclass(frozen=True, eq=False)
class Positions:
    """The checkpoints of one run, in tokens and on another axis; both increase.

    Attributes
    ----------
    tokens, places : array, shape (n,)
        Tokens, and positions on the axis.
    """

    tokens: Array
    places: Array

    def place(self, tokens: Array) -> Array:
        """Return positions of ``tokens`` (m,): straight between checkpoints, and beyond the last as before it."""
        return _through(tokens, self.tokens, self.places)

    def back(self, places: Array) -> Array:
        """Return the tokens of ``places`` (m,)."""
        return _through(places, self.places, self.tokens)


def _through(at: Array, x: Array, y: Array) -> Array:
    x, y = (v if v[0] == 0 else np.concatenate([[0.0], v]) for v in (x, y))
    slope = (y[-1] - y[-2]) / (x[-1] - x[-2])
    return np.asarray(np.where(at > x[-1], y[-1] + slope * (at - x[-1]), np.interp(at, x, y)))


def positions_of(cube: xr.Dataset, axis: AxisName, schedules: Mapping[str, Schedule]) -> dict[str, Positions]:
    """Return the checkpoints of every run on another axis.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    axis : {"steps", "cumulative_lr"}
        The axis.
    schedules : mapping of str to Schedule
        By run, where known.

    Raises
    ------
    UserError
        Where a run has no such positions, or they do not increase.
    """
    out = {}
    for i, run in enumerate(map(str, cube["run"].values)):
        tokens = np.asarray(cube["tokens"].isel(run=i), float)
        known = np.isfinite(tokens)
        tokens = tokens[known]
        schedule = schedules.get(run, Schedule())
        steps = np.asarray(cube["step"].isel(run=i), float)[known] if "step" in cube else schedule.steps(tokens)
        if steps is None or not np.isfinite(steps).all():
            raise UserError(
                f"`axis` is {axis}, and the steps of run '{run}' are not known: give `schedule` a table with "
                "batch_tokens, or import the log with its tokens per step"
            )
        places = steps
        if axis == "cumulative_lr":
            summed = schedule.cumulative(tokens, steps)
            if summed is None:
                raise UserError(
                    f"`axis` is cumulative_lr, and the learning rate of run '{run}' is not known: give `schedule` a "
                    "table with the columns tokens and learning_rate"
                )
            places = summed
        still = np.flatnonzero(np.diff(places) <= 0)
        if still.size:
            at = tokens[1 + still[0]]
            raise UserError(
                f"`axis` is {axis}, which does not increase in run '{run}' at {at:.15g} tokens: mend `step` or "
                "`schedule`, or use tokens"
            )
        out[run] = Positions(tokens, places)
    return out


def placed(t: Trajectory, positions: Positions, axis: AxisName) -> Trajectory:
    """Return a series whose positions are those of another axis; its changes of the schedule move with it.

    Parameters
    ----------
    t : Trajectory
        In tokens.
    positions : Positions
        Of its run.
    axis : str
        Name of the axis.
    """
    changes = tuple((float(positions.place(np.array([at]))[0]), what) for at, what in t.changes)
    return replace(t, tokens=positions.place(t.tokens), axis=axis, spacing=None, changes=changes)


def back_in_tokens(rows: Iterable[Transition], positions: Mapping[str, Positions]) -> list[Transition]:
    """Return rows whose ``tokens``, ``low``, ``high`` are in tokens; what they were is their ``position``.

    A width is a difference of positions, which is no number of tokens: it has a position alone.

    Parameters
    ----------
    rows : iterable of Transition
        In positions.
    positions : mapping of str to Positions
        By run.
    """
    out = []
    for row in rows:
        back = positions[row.run]

        def tokens(value: float | None, back: Positions = back, kept: bool = row.estimand != "width") -> float | None:
            return float(back.back(np.array([value]))[0]) if kept and value is not None else None

        out.append(replace(
            row, position=row.tokens, position_low=row.low, position_high=row.high, tokens=tokens(row.tokens),
            low=tokens(row.low), high=tokens(row.high), without_checkpoint=tokens(row.without_checkpoint),
            without_tokens=tokens(row.without_tokens), without_low=tokens(row.without_low),
            without_high=tokens(row.without_high),
        ))  # fmt: skip
    return out


def lags_without_tokens(lags: Iterable[Lag]) -> list[Lag]:
    """Return lags whose difference, of positions on another axis, is not given as tokens.

    Parameters
    ----------
    lags : iterable of Lag
        In positions.
    """
    return [replace(lag, tokens=None) for lag in lags]


def curves_in_tokens(curves: Sequence[Curve], positions: Mapping[str, Positions]) -> list[Curve]:
    """Return the curves of pictures in tokens.

    Parameters
    ----------
    curves : sequence of Curve
        In positions.
    positions : mapping of str to Positions
        By run.
    """
    return [
        replace(
            c, tokens=positions[c.run].back(c.tokens),
            fitted_tokens=None if c.fitted_tokens is None else positions[c.run].back(c.fitted_tokens),
        )
        for c in curves
    ]  # fmt: skip


def diagnoses_in_tokens(found: Iterable[Diagnosis], positions: Mapping[str, Positions]) -> list[Diagnosis]:
    """Return diagnoses of fits with their checkpoints in tokens.

    Parameters
    ----------
    found : iterable of Diagnosis
        In positions.
    positions : mapping of str to Positions
        By run.
    """
    return [
        replace(
            d, tokens=positions[d.run].back(d.tokens), axis="tokens",
            outlier_tokens=float(positions[d.run].back(np.array([d.outlier_tokens]))[0]),
        )
        for d in found
    ]  # fmt: skip

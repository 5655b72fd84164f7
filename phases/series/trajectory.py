"""A trajectory: the validated view of one metric of one run over training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calque.data.errors import UserError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """One metric of one run over tokens; build it with :meth:`of_counts` or :meth:`of_values`.

    Attributes
    ----------
    run, group, metric : str
        What it is a view of; ``group`` names the part of the run (empty for all of it).
    tokens : array, shape (n,)
        Strictly increasing, >= 0.
    y : array, shape (n,)
        The score: successes/trials, or the continuous value (negated when lower is better).
    trials : array, shape (n,), or None
        Trials of a count; None for a continuous score.
    design_effect : float
        Variance of the score relative to independent trials, from clustering of items within concepts; at least 1.
    index : array of int, shape (n,)
        Rank of the checkpoint, or of the mean of several, within the run before missing ones were dropped.
    places : array, shape (n,), or None
        Where the checkpoints stand for noise that follows checkpoints, in steps; their ranks when None.
    falls : bool
        Whether ``y`` is the negated metric.
    proportion : bool
        Whether the score lives on [0, 1], so that a rise of 5 points has a meaning.
    part : tuple of (str, str)
        What ``group`` stands for: names of properties and dimensions with their values.
    units : str
        Unit of the metric, such as ``nat``; empty where it has none.
    spacing : float or None
        Tokens that count as one step of the noise; the median spacing of checkpoints when None.
    progress : array, shape (n,), or None
        How far training has come where noise changes over it, 0 to 1; the share of the tokens when None.
    axis : str
        What ``tokens`` counts: tokens, or positions on another axis.
    changes : tuple of (float, str)
        Where the schedule of training changes, on the same axis, and what changes in words.
    values : array, shape (n,), or None
        How many values a continuous score is the mean of, in units of their median; one each when None.
    told_by : int
        Runs of the same condition, this one included, that together tell growth from noise that lasts as long as the
        run; 0 where the run stands by itself.
    """

    run: str
    metric: str
    tokens: Array
    y: Array
    index: NDArray[np.int64]
    group: str = ""
    trials: Array | None = None
    design_effect: float = 1.0
    falls: bool = False
    proportion: bool = False
    places: Array | None = None
    part: tuple[tuple[str, str], ...] = ()
    units: str = ""
    spacing: float | None = None
    progress: Array | None = None
    axis: str = "tokens"
    changes: tuple[tuple[float, str], ...] = ()
    values: Array | None = None
    told_by: int = 0

    def __post_init__(self) -> None:
        assert self.index.dtype.kind == "i", "index counts checkpoints"

    @classmethod
    def of_counts(
        cls, run: str, metric: str, tokens: ArrayLike, successes: ArrayLike, trials: ArrayLike,
        *, group: str = "", design_effect: float = 1.0,
    ) -> Trajectory:  # fmt: skip
        """Build from counts; checkpoints with missing counts or no trials are dropped.

        Parameters
        ----------
        run : str
            Name of the run.
        metric : str
            Name of the metric.
        tokens : array, shape (n,)
            Training tokens; NaN where there is no checkpoint.
        successes : array, shape (n,)
            NaN where missing.
        trials : float or array, shape (n,)
            Trials behind each count.
        group : str
            Part of the run; empty for all of it.
        design_effect : float
            Variance relative to independent trials.

        Raises
        ------
        UserError
            When counts exceed trials, are negative, or tokens do not increase.
        """
        tokens, k = np.asarray(tokens, float), np.asarray(successes, float)
        n = np.broadcast_to(np.asarray(trials, float), k.shape)
        keep = np.isfinite(tokens) & np.isfinite(k) & np.isfinite(n) & (n > 0)
        wrong = np.flatnonzero(keep & ((k < 0) | (k > n * (1 + 1e-9))))
        if wrong.size:
            i = int(wrong[0])
            raise UserError(
                f"{metric} of run '{run}' counts {k[i]:g} successes of {n[i]:g} trials at checkpoint {i}; expected 0 "
                "to trials: check the variable and its attribute 'trials'"
            )
        t, index = _ordered(tokens, keep, run, metric)
        return cls(
            run=run, metric=metric, tokens=t, y=k[keep] / n[keep], trials=n[keep], index=index, group=group,
            design_effect=max(1.0, float(design_effect)), proportion=True,
        )  # fmt: skip

    @classmethod
    def of_values(
        cls, run: str, metric: str, tokens: ArrayLike, values: ArrayLike,
        *, group: str = "", falls: bool | None = None, proportion: bool = False, units: str = "",
    ) -> Trajectory:  # fmt: skip
        """Build from continuous values; ``falls`` negates a falling metric (determined from the data when None).

        Parameters
        ----------
        run : str
            Name of the run.
        metric : str
            Name of the metric.
        tokens : array, shape (n,)
            Training tokens; NaN where there is no checkpoint.
        values : array, shape (n,)
            NaN where missing.
        group : str
            Part of the run; empty for all of it.
        falls : bool, optional
            Whether the metric falls as training succeeds.
        proportion : bool
            Whether values lie on [0, 1].
        units : str
            Unit of the values; empty where they have none.

        Raises
        ------
        UserError
            When tokens do not increase, or a proportion lies outside [0, 1].
        """
        tokens, y = np.asarray(tokens, float), np.asarray(values, float)
        keep = np.isfinite(tokens) & np.isfinite(y)
        t, index = _ordered(tokens, keep, run, metric)
        y = y[keep]
        if proportion:
            if len(y) and (y.min() < -1e-9 or y.max() > 1 + 1e-9):
                raise UserError(
                    f"{metric} of run '{run}' ranges from {y.min():g} to {y.max():g}; expected a proportion between 0 "
                    "and 1: rescale it or set metric_kind = continuous"
                )
            falls = False
        if falls is None:
            third = max(1, len(y) // 3)
            falls = bool(len(y) > 1 and y[-third:].mean() < y[:third].mean())
        return cls(
            run=run, metric=metric, tokens=t, y=-y if falls else y, index=index, group=group, falls=falls,
            proportion=proportion, units=units,
        )  # fmt: skip

    @property
    def n(self) -> int:
        """Number of checkpoints."""
        return len(self.tokens)

    @property
    def counts(self) -> bool:
        """Whether the score is a count out of trials."""
        return self.trials is not None

    @cached_property
    def effective_trials(self) -> Array:
        """Independent trials that would give the same sampling variance, shape (n,)."""
        assert self.trials is not None
        return np.maximum(self.trials / self.design_effect, 1.0)

    @property
    def white_variance(self) -> Array | float:
        """Variance of the white noise of a continuous score, up to a common factor: shape (n,), or 1."""
        return 1.0 if self.values is None else 1.0 / self.values

    @property
    def constant(self) -> bool:
        """Whether the score never changes."""
        return self.n == 0 or float(np.ptp(self.y)) <= 1e-12 * float(np.abs(self.y).max())

    @property
    def key(self) -> str:
        """Name that seeds this series' generator: the same wherever the run stands in the cube."""
        return f"{self.run}\x1f{self.group}\x1f{self.metric}"

    @cached_property
    def distances(self) -> Array:
        """Where checkpoints stand for the noise: in checkpoints, and in tokens per median spacing; shape (2, n)."""
        places = self.index.astype(float) if self.places is None else self.places
        # rounded, so that the unit of tokens leaves not even its rounding error behind
        return np.asarray(np.round(np.stack([places, self.tokens / self._step]), 9))

    @property
    def _step(self) -> float:
        if self.spacing is not None:
            return self.spacing
        return float(np.median(np.diff(self.tokens))) if self.n > 1 else 1.0

    @cached_property
    def training_done(self) -> Array:
        """How far training has come at each checkpoint, from 0 to 1: ``progress``, or the share of the tokens, (n,)."""
        # rounded, so that the unit of tokens leaves not even its rounding error behind
        return np.round(self.tokens / self.tokens[-1], 9) if self.progress is None else self.progress

    @cached_property
    def evenly_spaced(self) -> bool:
        """Whether distances in checkpoints and in tokens are the same."""
        a, b = np.diff(self.distances, axis=1)
        return bool(np.allclose(a, b, rtol=0.02))

    def until(self, last: int) -> Trajectory:
        """Return the trajectory up to and including the checkpoint at position ``last``."""
        kept = np.arange(last + 1)
        return replace(self.subset(kept), spacing=self._step, progress=self.training_done[kept])

    def since(self, first: int) -> Trajectory:
        """Return the trajectory from the checkpoint at position ``first`` on."""
        return replace(self.subset(np.arange(first, self.n)), spacing=self._step)

    def subset(self, kept: NDArray[np.int64]) -> Trajectory:
        """Return the trajectory of some of its checkpoints.

        Parameters
        ----------
        kept : array of int, shape (m,)
            Their positions, increasing.
        """
        return replace(
            self, tokens=self.tokens[kept], y=self.y[kept], index=self.index[kept],
            trials=None if self.trials is None else self.trials[kept],
            places=None if self.places is None else self.places[kept],
            progress=None if self.progress is None else self.progress[kept],
            values=None if self.values is None else self.values[kept],
        )  # fmt: skip


def _ordered(tokens: Array, keep: NDArray[np.bool_], run: str, metric: str) -> tuple[Array, NDArray[np.int64]]:
    t = tokens[keep]
    if len(t) and (t[0] < 0 or np.any(np.diff(t) <= 0)):
        raise UserError(
            f"tokens of run '{run}' (metric {metric}) are negative or not strictly increasing; expected increasing "
            "training tokens: sort the checkpoints and drop duplicates"
        )
    return t, np.flatnonzero(keep)

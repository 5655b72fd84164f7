"""The question declared in advance, ``METRIC:ESTIMAND``, and what a cube must contain to answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import xarray as xr

from calque.data.errors import UserError, nearest, shown
from calque.data.metrics import METRICS
from calque.phases.series.metrics import available, chosen
from calque.phases.series.parts import dims_of

ESTIMANDS = ("delay", "takeoff", "lag")
FIRST_OF_LAG = {
    name: tuple(first for first in m.lag_from if METRICS[first].items is not None)
    for name, m in METRICS.items()
    if m.lag_from
}
"""First metrics of a lag, by its second metric; only metrics of items can be split by pair."""


@dataclass(frozen=True)
class Question:
    """One test: that ``metric`` starts late (delay), rises at all (takeoff), or comes later than ``first`` (lag)."""

    metric: str
    estimand: str
    first: str | None = None

    def __str__(self) -> str:
        return f"{self.first}>{self.metric}:lag" if self.first else f"{self.metric}:{self.estimand}"

    @property
    def claim(self) -> str:
        """The alternative hypothesis as a sentence."""
        return {
            "delay": f"{self.metric} starts late, not with diminishing returns from the first token",
            "takeoff": f"{self.metric} rises above its floor",
            "lag": f"{self.metric} takes off later than {self.first}",
        }[self.estimand]


def parse(text: str) -> Question:
    """Parse ``text``: METRIC:delay, METRIC:takeoff, METRIC:lag or FIRST>METRIC:lag.

    Raises
    ------
    UserError
        When the text has another form, or no such lag is defined.
    """
    if not isinstance(text, str):
        raise UserError(f"`primary` is {shown(text)}; expected METRIC:ESTIMAND, such as translation:delay")
    metric, colon, estimand = text.partition(":")
    if not colon or not metric or estimand not in ESTIMANDS:
        hint = nearest(estimand, ESTIMANDS) if colon else ""
        raise UserError(
            f"`primary` is {shown(text)}; expected METRIC:ESTIMAND with one of {', '.join(ESTIMANDS)}, such as "
            f"translation:delay or copying>translation:lag{hint}"
        )
    first, arrow, second = metric.partition(">")
    if not arrow:
        return Question(metric, estimand, firsts_of(metric)[0] if estimand == "lag" else None)
    if estimand != "lag":
        raise UserError(f"`primary` is {shown(text)}; only a lag is between two metrics; write {second}:{estimand}")
    if first not in firsts_of(second):
        known = firsts_of(second)
        near = nearest(first, known)
        raise UserError(f"`primary` is {shown(text)}; lags of {second} are from {', '.join(known)}{near}")
    return Question(second, "lag", first)


def firsts_of(metric: str) -> tuple[str, ...]:
    """Return the first metrics of the lags of ``metric``.

    Raises
    ------
    UserError
        When no lag of this metric is defined.
    """
    if metric not in FIRST_OF_LAG:
        raise UserError(f"no lag is measured to '{metric}'; expected {', '.join(FIRST_OF_LAG)}: drop the lag")
    return FIRST_OF_LAG[metric]


def check_poolable(cube: xr.Dataset, metrics: tuple[str, ...], fewest: int) -> None:
    """Check that metrics can be split by pairs of languages, before any series is fitted.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    metrics : tuple of str
        Metrics to pool.
    fewest : int
        Sources, and targets, that pooling needs at least.

    Raises
    ------
    UserError
        When the cube has fewer languages, or a metric is not over source and target.
    """
    chosen(cube, metrics)
    for dim in ("source", "target"):
        if cube.sizes.get(dim, 0) < fewest:
            raise UserError(
                f"the cube has {cube.sizes.get(dim, 0)} {dim} languages; pooling over languages needs at least "
                f"{fewest}: pool runs instead with `over` seed"
            )
    items = {m for m in available(cube) if METRICS[m].items is not None}
    for name in metrics:
        dims = set(map(str, cube[name].dims)) if name in cube.variables else set()
        if name not in items and not {"source", "target"} <= dims:
            raise UserError(
                f"metric '{name}' is not split by source and target, so there are no pairs to pool; it can be one of "
                f"{', '.join(sorted(items)) or 'none here'}; pool runs instead with `over` seed"
            )


def has_pairs(cube: xr.Dataset, metrics: Sequence[str]) -> bool:
    """Return whether all metrics are split by source and target.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    metrics : sequence of str
        Names of metrics or variables.
    """
    return all({"source", "target"} <= set(dims_of(cube, name)) & set(map(str, cube.dims)) for name in metrics)

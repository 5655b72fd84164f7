"""Roll-outs of a suite that was run already: its largest sizes left out and forecast, as a user would have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.scaling.forecast.predict import predict
from calque.scaling.observations import SAME_SIZE, Observation, sizes

LEAST_SIZES = 4
"""Sizes that must be left."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """A run that was left out, and its forecast by the average of the laws.

    Attributes
    ----------
    run : str
        Its name.
    n : float
        Non-embedding parameters.
    left_out : int
        How many of the largest sizes were left out.
    tokens : float
        Its takeoff.
    forecast, low, high : float
        The forecast of a new run of its size, with its interval, in tokens.
    """

    run: str
    n: float
    left_out: int
    tokens: float
    forecast: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Return ln(forecast / takeoff): below 0 where the forecast was early."""
        return math.log(self.forecast / self.tokens)

    @property
    def held(self) -> bool:
        """Return whether the interval held the takeoff."""
        return self.low <= self.tokens <= self.high

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"error": self.error, "held": self.held}


def suite_rollouts(
    observations: Sequence[Observation], *, most: int = 3, level: float = 0.9,
    takeoffs: Mapping[str, float] | None = None,
) -> tuple[HeldOut, ...]:  # fmt: skip
    """Leave out the largest size, the two largest, and so on; forecast every run that was left out.

    Parameters
    ----------
    observations : sequence of Observation
        One for each run.
    most : int
        Sizes left out, at most; four are always kept.
    level : float
        Of the forecasts' intervals.
    takeoffs : mapping of str to float, optional
        Tokens by run that forecasts are compared with; what was measured of the runs when None.

    Returns
    -------
    tuple of HeldOut
        Runs without a time to compare with are left out.

    Raises
    ------
    UserError
        When fewer than five sizes have a located takeoff.
    """
    distinct = sizes(observations)
    if len(distinct) <= LEAST_SIZES:
        raise UserError(
            f"{plural(len(distinct), 'size has', 'sizes have')} a located takeoff; expected "
            f"{LEAST_SIZES + 1} or more, so that one can be left out"
        )
    known = takeoffs if takeoffs is not None else {o.run: o.tokens for o in observations if o.tokens}
    found = []
    for k in range(1, min(most, len(distinct) - LEAST_SIZES) + 1):
        kept = [o for o in observations if o.kind != "unused" and o.n < distinct[-k]]
        for n, told in zip(distinct[-k:], predict(kept, distinct[-k:], level), strict=True):
            for o in observations:
                tokens = known.get(o.run)
                if o.kind != "unused" and n <= o.n <= n * (1 + SAME_SIZE) and tokens:
                    found.append(
                        HeldOut(
                            run=o.run, n=o.n, left_out=k, tokens=tokens, forecast=math.exp(told.log_time),
                            low=math.exp(told.low), high=math.exp(told.high),
                        )
                    )  # fmt: skip
    return tuple(found)

"""What each estimand is, in one sentence; docs/METHODS.md has the formulas."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """What an estimand is, and what its number counts."""

    about: str
    units: str


ESTIMANDS: dict[str, Meaning] = {
    "takeoff": Meaning(
        "where the expected score is `rise` above its floor, averaged over the shapes that fit; the headline location",
        "tokens",
    ),
    "delay": Meaning(
        "whether constant or diminishing returns from the first token on are rejected: a delayed start",
        "p-value, and elasticity bound γ of growth faster than tokens^γ",
    ),
    "onset": Meaning("the corner of an onset family, conditional on there being a corner", "tokens"),
    "t10": Meaning("where a tenth of the rise is done", "tokens"),
    "t50": Meaning("where half of the rise is done", "tokens"),
    "width": Meaning("from 10 to 50 % of the rise: how sharp it is", "tokens"),
    "peak": Meaning("the highest point of a score that falls again; of a score that falls, its lowest", "tokens"),
    "decline": Meaning("where half of the fall after the peak is done", "tokens"),
    "crossover": Meaning("where translation overtakes false copying", "tokens"),
    "phases": Meaning("number of waves of growth, by segmentation of the residuals of the smooth fit", "waves"),
    "kink": Meaning("the corner of segmented lines (`family` kink); it presumes that there is one", "tokens"),
    "level": Meaning("a shift of the mean (`family` level); it presumes that there is one", "tokens"),
    "lag": Meaning("ln of the ratio of two takeoffs in the same run, with one joint interval", "1"),
}
"""By name: the estimands of a series in the order of reports, and the lag of two."""

"""The dictionary of shapes: how a score can move from its floor, one family a file."""

from __future__ import annotations

from calque.phases.shapes import (
    cloglog,
    loglinear,
    power,
    prerise,
    probit,
    richards,
    rise_and_fall,
    saturation,
    two_onsets,
    two_waves,
    weibull_onset,
)
from calque.phases.shapes.base import Family

FAMILIES: dict[str, Family] = {
    module.FAMILY.name: module.FAMILY
    for module in (
        weibull_onset, richards, cloglog, probit, saturation, loglinear, power,
        two_waves, two_onsets, prerise, rise_and_fall,
    )
}  # fmt: skip
"""Every family by name; a new one is a file like these and its module in this list."""

__all__ = ["FAMILIES", "Family"]

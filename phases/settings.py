"""What to ask of a cube."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Literal

from calque.data.errors import UserError, nearest, shown

if TYPE_CHECKING:
    from calque.phases.series.axis import Scale  # with numpy, which --help does not need

Link = Literal["identity", "logit"]
AxisName = Literal["tokens", "steps", "cumulative_lr"]


FAMILIES = ("dictionary", "kink", "level", "markov", "logistic", "gompertz")
"""Models of ``phases detect --family``: the dictionary of shapes, then the classical models."""
AXES: tuple[AxisName, ...] = ("tokens", "steps", "cumulative_lr")
"""Axes of ``phases detect --axis``."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to ask of a cube.

    Attributes
    ----------
    metrics : tuple of str, optional
        Names of metrics or variables; the standard set when None.
    by : tuple of str
        How to split: run (always), pair, properties of runs, dimensions of the metrics.
    boot : int
        Bootstrap replicates a series, at least 19.
    seed : int
        Seed of all generators; each series derives its own from its name.
    level : float
        Coverage of intervals; tests are at 1 - level.
    rise : float
        Height above the floor that defines takeoff: of a proportion itself, of the rise of a continuous score.
    scale : {"log", "linear"}
        Axis that shapes live on.
    family : str
        ``dictionary``, or a classical model of ``calque.phases.classical``.
    link : {"identity", "logit"}
        Scale of the score on which a classical model is linear; the dictionary has no use for it.
    axis : {"tokens", "steps", "cumulative_lr"}
        What growth is asked about: per token, per optimizer step, or per step at the peak learning rate.
    schedule : str, optional
        Where learning rate and batch change, see ``calque.phases.schedules.reading``.
    primary : str, optional
        Metric whose delay test is the one primary test of each run, declared before looking; when None the first of
        ``metrics``, or of the standard set translation.
    lags : tuple of (str, str), optional
        Pairs of series whose lag is measured, each a metric or ``GROUP/METRIC``; the standard pairs when None.
    """

    metrics: tuple[str, ...] | None = None
    by: tuple[str, ...] = ("run",)
    boot: int = 999
    seed: int = 0
    level: float = 0.95
    rise: float = 0.05
    scale: Scale = "log"
    family: str = "dictionary"
    link: Link = "logit"
    axis: AxisName = "tokens"
    schedule: str | None = None
    primary: str | None = None
    lags: tuple[tuple[str, str], ...] | None = None

    def __post_init__(self) -> None:
        for name, kind, what in (("boot", Integral, "a whole number"), ("seed", Integral, "a whole number"),
                                 ("level", Real, "a number"), ("rise", Real, "a number"), ("scale", str, "a name"),
                                 ("family", str, "a name"), ("link", str, "a name")):  # fmt: skip
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kind):
                raise UserError(f"`{name}` is {shown(value)}; expected {what}")
        if not 19 <= self.boot <= 100_000:
            raise UserError(f"`boot` is {self.boot}; expected 19 to 100000 replicates")
        if not 0.5 <= self.level <= 0.999:
            raise UserError(f"`level` is {self.level:g}; expected a coverage from 0.5 to 0.999, such as 0.95")
        if not 0 < self.rise < 1:
            raise UserError(f"`rise` is {self.rise:g}; expected a height between 0 and 1, such as 0.05")
        if self.scale not in ("log", "linear"):
            raise UserError(f"`scale` is {shown(self.scale)}; expected log or linear")
        if self.seed < 0:
            raise UserError(f"`seed` is {self.seed}; expected 0 or more")
        if self.family not in FAMILIES:
            raise UserError(
                f"`family` is {shown(self.family)}; expected one of {', '.join(FAMILIES)}"
                + nearest(self.family, FAMILIES)
            )
        if self.axis not in AXES:
            raise UserError(
                f"`axis` is {shown(self.axis)}; expected one of {', '.join(AXES)}" + nearest(str(self.axis), AXES)
            )
        if self.schedule is not None and not isinstance(self.schedule, str):
            raise UserError(f"`schedule` is {shown(self.schedule)}; expected a text such as decay@30B, or a file")
        if self.family != "dictionary" and (self.axis != "tokens" or self.schedule is not None):
            name = "axis" if self.axis != "tokens" else "schedule"
            raise UserError(f"`{name}` goes with the dictionary alone: leave it out, or `family`")
        if self.primary is not None and not isinstance(self.primary, str):
            raise UserError(f"`primary` is {shown(self.primary)}; expected the name of a metric")
        if self.lags is not None and self.family != "dictionary":
            raise UserError(f"`lags` are measured by the dictionary alone, not by `family` {self.family}: drop one")
        if self.link not in ("identity", "logit"):
            raise UserError(f"`link` is {shown(self.link)}; expected identity or logit")

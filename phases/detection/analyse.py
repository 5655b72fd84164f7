"""The analysis of one series: noise, delay test, and the locations that apply to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from calque.phases.detection.fitting import Dip, fit_series, gain_over_constant, refusal, rise_shown, too_persistent
from calque.phases.detection.locations import locations
from calque.phases.detection.phase_count import PhaseCount, phase_count
from calque.phases.dictionary.fit import Fit
from calque.phases.dictionary.functionals import Curves
from calque.phases.dictionary.grid import Dictionary
from calque.phases.dictionary.location import Location
from calque.phases.results import Refusal
from calque.phases.series.axis import Axis, Scale
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.delay import DelayTest

PROBED = 199
"""Replicates on which the whole dictionary is tried."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
    """Everything found about one series.

    Attributes
    ----------
    trajectory : Trajectory
        The series; one that is no proportion is moved by ``origin`` and scaled by ``unit``, so that no unit matters.
    rise : float
        Height of the threshold of takeoff: absolute for proportions, share of the rise for continuous scores.
    fit : Fit
        Of the whole series.
    rising : Fit
        What takeoff is read from: ``fit``, or, for a score that comes down again, growing curves up to the peak.
    curves : Curves
        The candidates of ``rising``.
    p_rise : float
        p of "it never rises", for a score that comes down again; of "it is constant", for another one.
    delay : DelayTest or None
        Of a delayed start; None where the peak comes too early for a test.
    dip : Dip or None
        What came before the series as analysed, where the score first fell.
    risen, fallen : float
        Largest rise above the floor, and fall from the peak to the end, of the best curve.
    fall : float
        Fall of a score that never rises, where one is shown; else 0.
    locations : mapping of str to Location
        By estimand; those that the series has.
    phases : PhaseCount or None
        How many waves the rise has; None where there is no rise.
    origin, unit : float
        The score is ``origin + unit * trajectory.y``.
    """

    trajectory: Trajectory
    rise: float
    fit: Fit
    rising: Fit
    curves: Curves
    p_rise: float
    delay: DelayTest | None
    dip: Dip | None
    risen: float
    fallen: float
    fall: float
    locations: Mapping[str, Location]
    phases: PhaseCount | None
    origin: float
    unit: float

    @cached_property
    def gain(self) -> float:
        """Twice the log-likelihood that the best curve gains over a constant, each with its own noise."""
        return gain_over_constant(self.trajectory, self.fit.curve)


def analyse(
    t: Trajectory, *, rise: float = 0.05, boot: int = 999, level: float = 0.95, seed: int = 0, scale: Scale = "log",
    dictionary: Dictionary | None = None,
) -> Analysis | Refusal:  # fmt: skip
    """Answer every question about one series.

    Parameters
    ----------
    t : Trajectory
        The series.
    rise : float
        Height above the floor that defines takeoff, see :class:`Analysis`.
    boot : int
        Bootstrap replicates.
    level : float
        Coverage of intervals; tests are at 1 - level.
    seed : int
        The series' generator follows from it and from the name of the series.
    scale : {"log", "linear"}
        Axis that shapes live on, where no dictionary is given.
    dictionary : Dictionary, optional
        The grid for this schedule, when it has been built already.

    Returns
    -------
    Analysis or Refusal
        A refusal where there are too few checkpoints, the score never changes, or its noise is too persistent.
    """
    refused = refusal(t)
    if refused is not None:
        return refused
    grid = dictionary or Dictionary(Axis.of(t.tokens, scale))
    found = fit_series(t, boot=boot, level=level, seed=seed, dictionary=grid)
    refused = too_persistent(t, found, level)
    if refused is not None:
        return refused
    fit, rising, t = found.fit, found.rising, found.trajectory
    grid = found.dictionary
    if not (fit.declining and rising is fit):
        rising = grid.widened(rising, found.noise[:, :PROBED], found.products)
    if not fit.declining:
        fit = rising
    curves = Curves.of(rising)
    phases = None
    if found.delay is not None and rise_shown(fit, found.p_rise, level):
        phases = phase_count(rising, grid.one_phase(rising), found.noise, level)
    return Analysis(
        trajectory=t, rise=rise, fit=fit, rising=rising, curves=curves, p_rise=found.p_rise, delay=found.delay,
        dip=found.dip, risen=found.risen, fallen=found.fallen, fall=found.fall, phases=phases,
        origin=found.origin, unit=found.unit, locations=locations(found, fit, rising, curves, rise, level),
    )  # fmt: skip

"""What is varied: height and level, which checkpoints there are, the noise model, the axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calque.data.quantities import format_count
from calque.phases.detection.fitting import FEWEST
from calque.phases.schedules.positions import Positions, placed
from calque.phases.schedules.words import ONE, UNITS
from calque.phases.series.axis import Scale
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import AXES, Settings

RISES = (0.03, 0.05, 0.1)
LEVELS = (0.9, 0.95, 0.99)
PARTS = ("first", "second", "third", "fourth", "last")
AS_ASKED = "as asked"


@dataclass(frozen=True, eq=False)
class Variation:
    """A series and settings that differ from what was asked in one choice.

    Attributes
    ----------
    name : str
        The choice, in words.
    kind : {"asked", "height", "level", "checkpoints", "noise", "axis"}
        What is varied. Another height is another question: its takeoff is not compared.
    trajectory : Trajectory
        The series.
    settings : Settings
        The settings.
    positions : Positions, optional
        For another axis: what turns places back into tokens.
    """

    name: str
    kind: str
    trajectory: Trajectory
    settings: Settings
    positions: Positions | None = None


def variations(t: Trajectory, settings: Settings, axes: Mapping[str, Positions]) -> Iterator[Variation]:
    """Yield the series as asked, then each variation that differs for it.

    Parameters
    ----------
    t : Trajectory
        The series, in tokens.
    settings : Settings
        As asked.
    axes : mapping of str to Positions
        Other axes than tokens on which the checkpoints of its run are known.
    """
    own = axes.get(settings.axis)
    asked = t if own is None else placed(t, own, settings.axis)
    yield Variation(AS_ASKED, "asked", asked, settings, own)
    for rise in RISES:
        if rise != settings.rise:
            what = "points" if t.proportion else f"% of the {'fall' if t.falls else 'rise'}"
            yield Variation(f"takeoff at {100 * rise:g} {what}", "height", asked, replace(settings, rise=rise), own)
    for level in LEVELS:
        if level != settings.level:
            yield Variation(f"level {100 * level:g} %", "level", asked, replace(settings, level=level), own)
    for name, kept in _parts(t.n):
        if kept.size >= FEWEST:
            yield Variation(f"without {name}", "checkpoints", asked.subset(kept), settings, own)
    for name, other in _noises(asked):
        yield Variation(name, "noise", other, settings, own)
    scale: Scale = "linear" if settings.scale == "log" else "log"
    yield Variation(f"shapes over {scale} {UNITS[settings.axis]}", "axis", asked, replace(settings, scale=scale), own)
    for axis in AXES:
        if axis != settings.axis and (axis == "tokens" or axis in axes):
            where = axes.get(axis)
            moved = t if where is None else placed(t, where, axis)
            yield Variation(f"growth per {ONE[axis]}", "axis", moved, replace(settings, axis=axis), where)


def one_left_out(asked: Variation, places: Mapping[str, float]) -> Iterator[Variation]:
    """Yield the series without the checkpoint whose absence moves takeoff most, to either side.

    Parameters
    ----------
    asked : Variation
        The series as asked.
    places : mapping of str to float
        Positions of the checkpoints on its axis, by whether takeoff is ``earliest`` or ``latest`` without them.
    """
    t = asked.trajectory
    for where, place in places.items():
        kept = np.flatnonzero(t.tokens != place)
        if FEWEST <= kept.size < t.n:
            name = f"without one checkpoint, {format_count(place)} {UNITS[t.axis]} ({where} takeoff of all)"
            yield replace(asked, name=name, kind="checkpoints", trajectory=t.subset(kept))


def _parts(n: int) -> Iterator[tuple[str, NDArray[np.int64]]]:
    every = np.arange(n)
    yield "the first checkpoint", every[1:]
    for name, fifth in zip(PARTS, np.array_split(every, len(PARTS)), strict=True):
        yield f"the {name} fifth", np.setdiff1d(every, fifth)


def _noises(t: Trajectory) -> Iterator[tuple[str, Trajectory]]:
    """Yield other noise: what carries over between checkpoints, and the variance of counts."""
    if t.n > 2 and not t.evenly_spaced:
        over = t.distances[1]
        yield f"noise that carries over {UNITS[t.axis]}, not checkpoints", replace(t, places=over)
    if t.trials is not None:
        yield "twice the variance of the counts", replace(t, design_effect=2 * t.design_effect)
        yield "noise of one variance, not of counts", replace(t, trials=None, design_effect=1.0)

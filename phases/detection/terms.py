"""The words of one series in the reasons of its rows: whether it rises or falls, and the unit of its heights."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.quantities import format_count
from calque.phases.schedules.words import ONE, UNITS
from calque.phases.series.trajectory import Trajectory


@dataclass(frozen=True)
class Terms:
    """How a score moves as training succeeds, in words.

    Attributes
    ----------
    noun, verb : str
        ``rise`` and ``rises``, or ``fall`` and ``falls``.
    beyond : str
        Where the score goes from its first value: ``above its floor``, or ``below its start``; after a dip, ``above its
        lowest level``, or ``below its highest level``.
    dips : bool
        Whether the score first went the other way.
    proportion : bool
        Whether heights are points of a proportion.
    unit : float
        What a height of 1 of the analysed series is of the score itself.
    units : str
        Unit of the score; empty where it has none.
    axis : str
        What places count.
    """

    noun: str
    verb: str
    beyond: str
    proportion: bool
    unit: float
    units: str
    dips: bool = False
    axis: str = "tokens"

    @classmethod
    def of(cls, t: Trajectory, unit: float = 1.0, dips: bool = False) -> Terms:
        """Return the words of a series.

        Parameters
        ----------
        t : Trajectory
            The series.
        unit : float
            What a height of 1 of the series as analysed is of the score itself.
        dips : bool
            Whether the score first went the other way.
        """
        noun, verb, beyond = ("fall", "falls", "below its start") if t.falls else ("rise", "rises", "above its floor")
        if dips:
            beyond = "below its highest level" if t.falls else "above its lowest level"
        return cls(noun, verb, beyond, t.proportion, unit, t.units, dips, t.axis)

    @property
    def falls(self) -> bool:
        """Whether the score falls."""
        return self.noun == "fall"

    def height(self, height: float) -> str:
        """Return a height of the analysed series: points of a proportion, or the score's own unit.

        Parameters
        ----------
        height : float
            As the series was analysed.
        """
        if self.proportion:
            return f"{100 * height:.3g} points"
        return f"{self.unit * height:.3g} {self.units}".rstrip()

    def score(self, score: float) -> str:
        """Return a value of the score itself, in percent of a proportion or in its own unit.

        Parameters
        ----------
        score : float
            In the metric's own sign and unit.
        """
        return f"{100 * score:.3g} %" if self.proportion else f"{score:.3g} {self.units}".rstrip()

    def threshold(self, rise: float) -> str:
        """Return what takeoff is, such as ``5 points above its floor`` or ``5 % of its fall``.

        Parameters
        ----------
        rise : float
            Height of the threshold: of a proportion itself, of the rise of another score.
        """
        return f"{self.height(rise)} {self.beyond}" if self.proportion else f"{100 * rise:.3g} % of its {self.noun}"

    def place(self, estimand: str) -> str:
        """Return what an estimand of place is of this series.

        Parameters
        ----------
        estimand : str
            onset, t10, t50, peak or decline.
        """
        return {
            "onset": "corner, conditional on there being one",
            "t10": f"10 % of its {self.noun}",
            "t50": f"50 % of its {self.noun}",
            "peak": "lowest point" if self.falls else "peak",
            "decline": "half of the rise from its lowest point" if self.falls else "half of the fall from its peak",
        }[estimand]

    @property
    def no_rise(self) -> str:
        """What a rise (of a metric that improves downwards: a fall) is compared with."""
        return f"a score that only {'rises' if self.falls else 'falls'}"

    @property
    def begun(self) -> str:
        """Where diminishing returns would begin: the first token (or step), or the end of a dip."""
        if not self.dips:
            return f"from the first {ONE[self.axis]}"
        return f"from its {'highest' if self.falls else 'lowest'} level"

    def dip(self, depth: float, tokens: float) -> str:
        """Return that the score first went the other way, how far, and what that means for the answer.

        Parameters
        ----------
        depth : float
            How far, as the series was analysed.
        tokens : float
            Where the score turned.
        """
        gone, level = ("rises", "highest") if self.falls else ("falls", "lowest")
        return (
            f"a dip: the score first {gone} by {self.height(depth)}, to its {level} level at "
            f"{format_count(tokens)} {UNITS[self.axis]}, and is analysed from there"
        )

    def declining(self, risen: float, fallen: float) -> str:
        """Return that the score mainly goes the other way.

        Parameters
        ----------
        risen, fallen : float
            Heights of the series as analysed: the largest above the first level, and the way from there to the end.
        """
        goes, before = ("rises", "fall") if self.falls else ("falls", "rise")
        level = "first" if risen <= 0 else "lowest" if self.falls else "highest"
        way = f"the score {goes} by {self.height(fallen)} from its {level} level"
        return way if risen <= 0 else f"{way}, after a {before} of {self.height(risen)}"

    def peak(self, risen: float, fallen: float) -> str:
        """Return how high the peak is above the floor, and how far the score came down from it.

        Parameters
        ----------
        risen, fallen : float
            Heights of the series as analysed.
        """
        up, down = self.height(risen), self.height(fallen)
        if self.falls:
            return f"from {up} below its start back up by {down}"
        return f"from {up} above the floor down by {down}"


def takeoff_meant(rise: float) -> str:
    """Return the sentence that says what a takeoff is.

    Parameters
    ----------
    rise : float
        Height above the floor of a proportion; of another score, share of its whole rise.
    """
    return (
        f"Takeoff: {100 * rise:.3g} points above the floor of a proportion, {100 * rise:.3g} % of the rise of another "
        "score."
    )

"""The words of one series in the reasons of its rows: whether it rises or falls, and the unit of its heights."""

from __future__ import annotations

from dataclasses import dataclass

from calque.phases.series.trajectory import Trajectory


@dataclass(frozen=True)
class Terms:
    """How a score moves as training succeeds, in words.

    Attributes
    ----------
    noun, verb : str
        ``rise`` and ``rises``, or ``fall`` and ``falls``.
    beyond : str
        Where the score goes from its first value: ``above its floor``, or ``below its start``.
    proportion : bool
        Whether heights are points of a proportion.
    unit : float
        What a height of 1 of the analysed series is of the score itself.
    units : str
        Unit of the score; empty where it has none.
    """

    noun: str
    verb: str
    beyond: str
    proportion: bool
    unit: float
    units: str

    @classmethod
    def of(cls, t: Trajectory, unit: float = 1.0) -> Terms:
        """Return the words of a series.

        Parameters
        ----------
        t : Trajectory
            The series.
        unit : float
            What a height of 1 of the series as analysed is of the score itself.
        """
        words = ("fall", "falls", "below its start") if t.falls else ("rise", "rises", "above its floor")
        return cls(*words, t.proportion, unit, t.units)

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

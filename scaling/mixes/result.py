"""The result of a comparison of mixes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calque.scaling.laws.share import ShareFit
from calque.scaling.mixes.contrast import Contrast
from calque.scaling.mixes.mixed_model import MixedContrast
from calque.scaling.observations import Observation


@dataclass(frozen=True, kw_only=True)
class LanguageComparison:
    """Mixes compared over the languages translated into.

    Attributes
    ----------
    contrasts : tuple of Contrast
        One for each pair of mixes and language.
    mixed_model : tuple of MixedContrast
        Every mix against the first, languages within runs.
    shares : ShareFit
        The law in the languages' shares.
    """

    contrasts: tuple[Contrast, ...]
    mixed_model: tuple[MixedContrast, ...]
    shares: ShareFit


@dataclass(frozen=True, kw_only=True)
class MixComparison:
    """Mixes compared by the takeoffs of their runs.

    Attributes
    ----------
    metric : str
        Whose takeoff.
    level : float
        Of the intervals.
    contrasts : tuple of Contrast
        One for each pair of mixes.
    observations : tuple of Observation
        The runs.
    by_language : LanguageComparison or None
        None where it was not asked for.
    cube_name : str
        The cube's path, or ``cube``.
    """

    metric: str
    level: float
    contrasts: tuple[Contrast, ...]
    observations: tuple[Observation, ...]
    by_language: LanguageComparison | None = None
    cube_name: str = "cube"

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values for JSON (schema 1); absent values are None."""
        report: dict[str, Any] = {
            "schema": 1, "cube": self.cube_name, "metric": self.metric, "level": self.level,
            "contrasts": [c.to_dict() for c in self.contrasts], "transitions": [o.to_dict() for o in self.observations],
        }  # fmt: skip
        if self.by_language is not None:
            report["languages"] = [c.to_dict() for c in self.by_language.contrasts]
            report["mixed_model"] = [c.to_dict() for c in self.by_language.mixed_model]
            report["shares"] = self.by_language.shares.to_dict()
        return report

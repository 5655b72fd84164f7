"""What a probe says of itself: name, unit, kind of score, source and cost stand in the file of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A score of heads.

    Attributes
    ----------
    name : str
        As it is asked for, and as its variable is called.
    about : str
        One line: what the score is.
    control : str
        One line: what it is compared with.
    units : str
        Of the score; 1 where it has none.
    kind : {"proportion", "continuous"}
        A proportion is from 0 to 1.
    source : str
        Where it is from.
    """

    name: str
    about: str
    control: str
    units: str
    kind: Literal["proportion", "continuous"]
    source: str

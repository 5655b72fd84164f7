"""What to ask of the items of a cube."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.errors import UserError

MOST_PREDICTORS = 10
"""Shapley shares take 2**k fits."""


@dataclass(frozen=True, kw_only=True)
class AcquisitionSettings:
    """Settings of the regression of acquisition times.

    Attributes
    ----------
    metric : str
        translation, translation_paired, copying or false_copying.
    covariates : tuple of str, optional
        Names; all that the cube holds when None.
    runs : tuple of str, optional
        Runs to use; all when None.
    lasting : int
        Correct answers in a row from which an item counts as acquired.
    every_item : bool
        All items between different languages instead of the metric's own.
    level : float
        Coverage of intervals.
    boot, seed : int
        Draws of concepts and languages for the intervals of what explains success, and their seed.
    """

    metric: str = "translation"
    covariates: tuple[str, ...] | None = None
    runs: tuple[str, ...] | None = None
    lasting: int = 3
    every_item: bool = False
    level: float = 0.95
    boot: int = 199
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.5 <= self.level <= 0.999:
            raise UserError(f"`level` is {self.level:g}; expected a coverage from 0.5 to 0.999, such as 0.95")
        if not 19 <= self.boot <= 10_000:
            raise UserError(f"`boot` is {self.boot}; expected 19 to 10000 draws")
        if self.seed < 0:
            raise UserError(f"`seed` is {self.seed}; expected 0 or more")

"""The protocol of loss laws and their registry; a new law is one file and one entry here."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calque.data.errors import UserError, nearest
from calque.scaling.loss.laws.broken import BrokenLaw
from calque.scaling.loss.laws.chinchilla import ChinchillaLaw
from calque.scaling.loss.laws.repeated import RepeatedLaw
from calque.scaling.loss.laws.share import ShareLaw
from calque.scaling.loss.laws.transfer import TransferLaw
from calque.scaling.loss.points import Points

Array = NDArray[np.float64]
Prepared = tuple[Array, ...]
MOST_BREAKS = 4


class LossLaw(Protocol):
    """A law of ln loss.

    Attributes
    ----------
    name, formula : str
        Its name and formula.
    parameters : tuple of str
        Names in the formula.
    coordinates : tuple of str
        What is fitted: unbounded, of magnitude 0 to 10.
    columns : tuple of str
        What it needs of :class:`calque.scaling.loss.points.Points` beside n, d and loss.
    """

    name: str
    formula: str
    parameters: tuple[str, ...]
    coordinates: tuple[str, ...]
    columns: tuple[str, ...]

    def prepare(self, points: Points) -> Prepared:
        """Return arrays (m,) that :meth:`evaluate` uses, computed once for each fit."""

    def evaluate(self, theta: Array, prepared: Prepared) -> tuple[Array, Array]:
        """Return ln loss (k, m) and its derivatives (k, p, m) at ``theta`` (k, p)."""

    def public(self, theta: Array) -> Array:
        """Return the formula's parameters (k, p)."""

    def starts(self, prepared: Prepared, log_loss: Array) -> Array:
        """Return thousands of starting values (k, p)."""


LAWS: dict[str, LossLaw] = {
    law.name: law for law in (ChinchillaLaw(), ShareLaw(), RepeatedLaw(), TransferLaw(), BrokenLaw(breaks=1))
}


def loss_law(name: str) -> LossLaw:
    """Return the law with this name; ``broken:3`` has three breaks.

    Parameters
    ----------
    name : str
        One of :data:`LAWS`, or ``broken:K``.

    Raises
    ------
    UserError
        When there is none.
    """
    word, colon, count = name.partition(":")
    if word == "broken" and colon:
        if not count.isdecimal() or not 1 <= int(count) <= MOST_BREAKS:
            raise UserError(f"'{name}': expected broken:K with K breaks, 1 to {MOST_BREAKS}")
        return BrokenLaw(breaks=int(count))
    if name in LAWS:
        return LAWS[name]
    known = tuple(LAWS)
    raise UserError(f"unknown law '{name}'; expected one of {', '.join(known)} or broken:K{nearest(name, known)}")

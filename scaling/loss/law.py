"""The loss laws by name; a new law is one file and one entry here."""

from __future__ import annotations

from calque.data.errors import UserError, nearest
from calque.scaling.loss.laws.base import LossLaw
from calque.scaling.loss.laws.broken import BrokenLaw
from calque.scaling.loss.laws.chinchilla import ChinchillaLaw
from calque.scaling.loss.laws.repeated import RepeatedLaw
from calque.scaling.loss.laws.share import ShareLaw
from calque.scaling.loss.laws.transfer import TransferLaw

MOST_BREAKS = 4


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

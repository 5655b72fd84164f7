"""The laws of transition time in model size, by name; a new law is one file and one entry here."""

from __future__ import annotations

from calque.data.errors import UserError, nearest
from calque.scaling.laws.base import Law
from calque.scaling.laws.floor import FloorLaw
from calque.scaling.laws.power import PowerLaw

LAWS: dict[str, Law] = {law.name: law for law in (PowerLaw(), FloorLaw())}


def law(name: str) -> Law:
    """Return the law with this name; an unknown one is a :class:`calque.data.errors.UserError`.

    Parameters
    ----------
    name : str
        ``power`` or ``floor``.
    """
    try:
        return LAWS[name]
    except KeyError:
        known = tuple(LAWS)
        raise UserError(f"unknown law '{name}'; expected one of {', '.join(known)}{nearest(name, known)}") from None

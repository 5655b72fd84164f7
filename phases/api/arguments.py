"""Arguments of the Python interface: names, splits and numbers as callers pass them, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from calque.data.errors import UserError, shown


def several(given: str | Sequence[str] | None, parameter: str = "metric") -> tuple[str, ...] | None:
    """Return one name, or a sequence of names, as a tuple without repeats; None stays None.

    Parameters
    ----------
    given : str or sequence of str, optional
        As a caller passes names.
    parameter : str
        Whose argument it is, for the errors.

    Raises
    ------
    UserError
        For an empty sequence, or what is no text.
    """
    if given is None:
        return None
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise UserError(f"`{parameter}` is {shown(given)}; expected a name, or several in a list")
    found = tuple(dict.fromkeys(map(str, names)))
    if not found:
        raise UserError(f"`{parameter}` is empty; expected at least one name")
    return found


def splits(by: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of ``by``: a sequence, or text with commas between.

    Raises
    ------
    UserError
        When there is none, or one is no text.
    """
    parts = by.split(",") if isinstance(by, str) else by
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise UserError(f"`by` is {shown(by)}; expected names such as 'source', with commas between or in a list")
    found = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not found:
        raise UserError("`by` is empty; expected run, a property of runs such as size, or a dimension such as source")
    return found


def pairs(lags: Sequence[Sequence[str]] | None) -> tuple[tuple[str, str], ...] | None:
    """Return pairs of names of series as tuples; None stays None.

    Parameters
    ----------
    lags : sequence of pairs of str, optional
        As a caller passes them.

    Raises
    ------
    UserError
        For no pair at all, and for what is no pair of names.
    """
    if lags is None:
        return None
    out = []
    for pair in lags:
        if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(v, str) and v.strip() for v in pair):
            given = pair if isinstance(pair, str) else ",".join(map(str, pair))
            raise UserError(f"`lags` has {shown(given)}; expected two names of series, such as copying and translation")
        out.append((pair[0].strip(), pair[1].strip()))
    if not out:
        raise UserError("`lags` is empty; expected pairs of metrics, or None for the standard pairs")
    return tuple(dict.fromkeys(out))


def check_jobs(jobs: int) -> None:
    """Refuse a number of processes that is none.

    Parameters
    ----------
    jobs : int
        As a caller passes it.

    Raises
    ------
    UserError
        For anything but a whole number from 1 on.
    """
    if isinstance(jobs, bool) or not isinstance(jobs, Integral) or jobs < 1:
        raise UserError(f"`jobs` is {shown(jobs)}; expected a number of processes, 1 or more")

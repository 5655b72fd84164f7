"""Shares of the languages: uniform, by temperature, without some, of some only, or given one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from calque.data.errors import UserError, nearest

SUM_TOLERANCE = 1e-6
Named = tuple[str, dict[str, float]]
"""Canonical name, and the shares in the languages' order."""


class Reader(Protocol):
    """Reads what stands after a word and its colon."""

    def __call__(self, spec: str, rest: str, languages: Sequence[str], sizes: Mapping[str, float] | None) -> Named:
        """Return name and shares, or raise ``UserError``."""
        ...


def uniform(spec: str, rest: str, languages: Sequence[str], sizes: Mapping[str, float] | None) -> Named:
    """Return equal shares of all ``languages`` for the mix ``uniform``.

    Parameters
    ----------
    spec : str
        The whole mix.
    rest : str
        What follows the name and its colon.
    languages : sequence of str
        Codes of the corpus.
    sizes : mapping of str to float, optional
        Amount of text of each language, in any unit.

    Returns
    -------
    tuple of str and dict of str to float
        Canonical name, and the share of each language.
    """
    return "uniform", _equal(languages, languages)


def drop(spec: str, rest: str, languages: Sequence[str], sizes: Mapping[str, float] | None) -> Named:
    """Return equal shares of all languages but some, for ``drop:xx,yy``.

    Parameters
    ----------
    spec : str
        The whole mix.
    rest : str
        Codes of the languages to leave out.
    languages : sequence of str
        Codes of the corpus.
    sizes : mapping of str to float, optional
        Not used.

    Returns
    -------
    tuple of str and dict of str to float
        Canonical name, and the share of each language.

    Raises
    ------
    UserError
        When a code is unknown, or no language is left.
    """
    dropped = _codes(spec, rest, languages)
    kept = [code for code in languages if code not in dropped]
    if not kept:
        raise UserError(f"mix '{spec}' drops every language; expected at least one to be left")
    return "drop:" + ",".join(dropped), _equal(kept, languages)


def only(spec: str, rest: str, languages: Sequence[str], sizes: Mapping[str, float] | None) -> Named:
    """Return equal shares of some languages, for ``only:xx,yy``.

    Parameters
    ----------
    spec : str
        The whole mix.
    rest : str
        Codes of the languages to keep.
    languages : sequence of str
        Codes of the corpus.
    sizes : mapping of str to float, optional
        Not used.

    Returns
    -------
    tuple of str and dict of str to float
        Canonical name, and the share of each language.

    Raises
    ------
    UserError
        When a code is unknown.
    """
    kept = _codes(spec, rest, languages)
    return "only:" + ",".join(kept), _equal(kept, languages)


def temperature(spec: str, rest: str, languages: Sequence[str], sizes: Mapping[str, float] | None) -> Named:
    """Return shares proportional to size**TAU, for ``temperature:TAU``.

    Parameters
    ----------
    spec : str
        The whole mix.
    rest : str
        TAU, above 0 and at most 1.
    languages : sequence of str
        Codes of the corpus.
    sizes : mapping of str to float, optional
        Amount of text of each language, in any unit; required here.

    Returns
    -------
    tuple of str and dict of str to float
        Canonical name, and the share of each language.

    Raises
    ------
    UserError
        When TAU is out of range, or a size is missing or not positive.
    """
    try:
        tau = float(rest)
    except ValueError:
        tau = math.nan
    if not 0 < tau <= 1:
        raise UserError(
            f"mix '{spec}': the temperature is '{rest}'; expected a number above 0 and at most 1 "
            "(1: as the text comes, towards 0: uniform)"
        )
    if sizes is None:
        raise UserError(f"mix '{spec}' needs each language's amount of text, which is unknown here")
    for code in languages:
        if not (code in sizes and 0 < sizes[code] < math.inf):
            raise UserError(f"mix '{spec}': the size of '{code}' is {sizes.get(code)}; expected a number above 0")
    largest = max(sizes[code] for code in languages)
    weights = {code: (sizes[code] / largest) ** tau for code in languages}
    return f"temperature:{tau:.12g}", _normalised(weights)


READERS: dict[str, Reader] = {"uniform": uniform, "temperature": temperature, "drop": drop, "only": only}
"""By the word before the colon."""


def explicit(given: Mapping[str, float], languages: Sequence[str]) -> Named:
    """Return the shares ``given`` by language; other ``languages`` have none.

    Raises
    ------
    UserError
        When a language is unknown, a share no number from 0 to 1, or the sum not 1.
    """
    _check_known(given, languages)
    for code, share in given.items():
        number = isinstance(share, int | float) and not isinstance(share, bool) and math.isfinite(share)
        if not number or share < 0:
            raise UserError(f"mix: the share of '{code}' is {share!r}; expected a number from 0 to 1")
    total = math.fsum(given.values())
    if abs(total - 1) > SUM_TOLERANCE:
        percent = " (write 0.5 for 50 %)" if abs(total - 100) < 1 else ""
        raise UserError(f"mix: the shares sum to {total:.6g}; expected 1{percent}")
    name = ",".join(f"{code}:{given[code]:.12g}" for code in languages if given.get(code, 0) > 0)
    return name, _normalised({code: float(given.get(code, 0)) for code in languages})


def pairs(spec: str, unreadable: Callable[[str], UserError]) -> dict[str, float]:
    """Read shares given one by one, such as ``en:0.5,de:0.5``.

    Parameters
    ----------
    spec : str
        Codes and shares.
    unreadable : callable
        Called with a part that is no share; returns the error to raise.

    Returns
    -------
    dict of str to float
        Share by code, as given.

    Raises
    ------
    UserError
        When a part is no share, or a language is named twice.
    """
    shares: dict[str, float] = {}
    for part in spec.split(","):
        code, _, share = (piece.strip() for piece in part.partition(":"))
        try:
            value = float(share)
        except ValueError:
            raise unreadable(part.strip()) from None
        if code in shares:
            raise UserError(f"mix '{spec}' names '{code}' twice; expected each language once")
        shares[code] = value
    return shares


def _codes(spec: str, rest: str, languages: Sequence[str]) -> list[str]:
    """Return the codes of a list, in the languages' order."""
    named = [code.strip() for code in rest.split(",")]
    _check_known(named, languages)
    for code in named:
        if named.count(code) > 1:
            raise UserError(f"mix '{spec}' names '{code}' twice; expected each language once")
    return [code for code in languages if code in named]


def _check_known(codes: Iterable[str], languages: Sequence[str]) -> None:
    known = list(languages)
    for code in codes:
        if code not in known:
            guess = nearest(str(code), known)
            raise UserError(f"mix: unknown language '{code}'; expected one of {', '.join(known)}{guess}")


def _equal(kept: Sequence[str], languages: Sequence[str]) -> dict[str, float]:
    return {code: float(code in kept) / len(kept) for code in languages}


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(weights.values())
    return {code: weight / total for code, weight in weights.items()}

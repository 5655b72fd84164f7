"""Language mixes: which share of the training text each language has, from one short word in a study file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from data.errors import UserError, nearest

FORMS = "uniform, temperature:0.3, drop:xx, or shares such as en:0.5,de:0.5"
SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Shares of the languages.

    Attributes
    ----------
    name : str
        Canonical spelling: the same shares, however they were written, have the same name, and parsing the
        name for the same languages (and sizes) gives the mix back.
    shares : dict of str to float
        One for every language, in the languages' order; 0 for a language left out. They sum to 1.
    """

    name: str
    shares: dict[str, float]

    @classmethod
    def parse(
        cls,
        spec: str | Mapping[str, float],
        languages: Sequence[str],
        sizes: Mapping[str, float] | None = None,
    ) -> Mix:
        """Read a mix.

        Parameters
        ----------
        spec : str or mapping
            ``uniform``; ``temperature:TAU`` (shares proportional to size**TAU, 0 < TAU <= 1: 1 is as the text
            comes, towards 0 is uniform); ``drop:xx`` or ``drop:xx,yy`` (uniform over the others); shares by
            language, as a mapping or as ``en:0.5,de:0.5`` (languages not named have none).
        languages : sequence of str
            Codes of the corpus's languages.
        sizes : mapping of str to float, optional
            How much text each language has, in tokens or bytes; only ``temperature`` needs it.

        Raises
        ------
        UserError
            When the mix cannot be read or is impossible.
        """
        languages = tuple(languages)
        if isinstance(spec, Mapping):
            return cls._explicit(spec, languages)
        if not isinstance(spec, str):
            raise UserError(f"mix is {spec!r}; expected {FORMS}")
        word, colon, rest = (part.strip() for part in spec.partition(":"))
        if word == "uniform" and not colon:
            return cls._uniform("uniform", languages, languages)
        if word == "temperature":
            return cls._temperature(spec, rest, languages, sizes)
        if word == "drop":
            dropped = [code.strip() for code in rest.split(",")]
            _check_known(dropped, languages)
            kept = [code for code in languages if code not in dropped]
            if not kept:
                raise UserError(f"mix '{spec}' drops every language; expected at least one to be left")
            name = "drop:" + ",".join(code for code in languages if code in dropped)
            return cls._uniform(name, kept, languages)
        if not colon:
            guess = nearest(word, ("uniform", "temperature", "drop"))
            raise UserError(f"mix '{spec}' is unknown; expected {FORMS}{guess}")
        return cls._explicit(_pairs(spec), languages)

    @classmethod
    def _uniform(cls, name: str, kept: Sequence[str], languages: Sequence[str]) -> Mix:
        if not languages:
            raise UserError(f"mix '{name}' has no languages; expected at least one")
        return cls(name=name, shares={code: float(code in kept) / len(kept) for code in languages})

    @classmethod
    def _temperature(cls, spec: str, rest: str, languages: Sequence[str], sizes: Mapping[str, float] | None) -> Mix:
        try:
            temperature = float(rest)
        except ValueError:
            temperature = math.nan
        if not 0 < temperature <= 1:
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
        weights = {code: (sizes[code] / largest) ** temperature for code in languages}
        return cls(name=f"temperature:{temperature:.12g}", shares=_normalised(weights))

    @classmethod
    def _explicit(cls, given: Mapping[str, float], languages: Sequence[str]) -> Mix:
        _check_known(given, languages)
        for code, share in given.items():
            number = isinstance(share, int | float) and not isinstance(share, bool) and math.isfinite(share)
            if not number or share < 0:
                raise UserError(f"mix: the share of '{code}' is {share!r}; expected a number from 0 to 1")
        total = math.fsum(given.values())
        if abs(total - 1) > SUM_TOLERANCE:
            percent = " (write 0.5 for 50 %)" if abs(total - 100) < 1 else ""
            raise UserError(f"mix: the shares sum to {total:.6g}; expected 1{percent}")
        shares = _normalised({code: float(given.get(code, 0)) for code in languages})
        name = ",".join(f"{code}:{given[code]:.12g}" for code in languages if given.get(code, 0) > 0)
        return cls(name=name, shares=shares)


def stream_shares(streams: Mapping[str, float | None], mix: Mix) -> dict[str, float]:
    """Return each stream's share of training tokens.

    Parameters
    ----------
    streams : mapping of str to float or None
        As ``Corpus.streams`` gives them: a fixed share, or None for a language, which has its share of the
        rest.
    mix : Mix

    Returns
    -------
    dict of str to float
        Streams with a share above 0; they sum to 1.

    Raises
    ------
    UserError
        When the fixed shares leave nothing for the languages, or a language of the mix has no stream.
    """
    fixed = math.fsum(share for share in streams.values() if share is not None)
    if not 0 <= fixed < 1:
        raise UserError(f"the fixed streams have a share of {fixed:g}; expected less than 1")
    for code, share in mix.shares.items():
        if share > 0 and streams.get(code, 0.0) is not None:
            raise UserError(f"mix '{mix.name}' has the language '{code}', of which this corpus has no text")
    shares = {
        stream: (1 - fixed) * mix.shares.get(stream, 0.0) if share is None else share
        for stream, share in streams.items()
    }
    return {stream: share for stream, share in shares.items() if share > 0}


def _pairs(spec: str) -> dict[str, float]:
    shares: dict[str, float] = {}
    for part in spec.split(","):
        code, colon, share = (piece.strip() for piece in part.partition(":"))
        try:
            value = float(share)
        except ValueError:
            raise UserError(f"mix '{spec}': cannot read '{part.strip()}'; expected {FORMS}") from None
        if code in shares:
            raise UserError(f"mix '{spec}' names '{code}' twice; expected each language once")
        shares[code] = value
    return shares


def _check_known(codes: Iterable[str], languages: Sequence[str]) -> None:
    known = list(languages)
    for code in codes:
        if code not in known:
            guess = nearest(str(code), known)
            raise UserError(f"mix: unknown language '{code}'; expected one of {', '.join(known)}{guess}")


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(weights.values())
    return {code: weight / total for code, weight in weights.items()}

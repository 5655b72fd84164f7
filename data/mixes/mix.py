"""Language mixes: what a run trains on, from one short word in a study file.

A mix says which share of the training text each language has, and may change the text itself: parts joined by
``+``, such as ``drop:ko+romanised``. What the changes do is in ``calque.data.mixes.ablations``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calque.data.errors import UserError, nearest
from calque.data.mixes.pair_forms import PAIR_FORMS
from calque.data.mixes.shares import READERS, explicit, pairs

DISJOINT, ROMANISED, PARALLEL, ENTRIES = "disjoint", "romanised", "parallel", "entries"
WORDS = (*READERS, PARALLEL, ENTRIES, DISJOINT, ROMANISED)
FORMS = (
    "uniform, temperature:0.3, drop:xx, only:xx,yy or shares such as en:0.5,de:0.5, "
    "and after a + parallel:0.01, entries:0.01, disjoint or romanised"
)


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Shares of the languages, and what is done to their text.

    Attributes
    ----------
    name : str
        Canonical spelling: order, spaces and the way of writing a number do not matter, and parsing the name
        for the same languages (and sizes) gives the mix back.
    shares : dict of str to float
        One for every language, in the languages' order; 0 for a language left out. They sum to 1.
    parallel : float
        Share of all training tokens that are aligned lines of two languages; ``shares`` divide the rest.
    parallel_form : str
        How a pair of lines is written, one of ``PAIR_FORMS``.
    entries : float
        Share of all training tokens that are entries of catalogues, a word and its translation.
    entries_form : str
        How an entry is written, one of ``PAIR_FORMS`` other than the first.
    entries_concepts : int, optional
        Entries of the first so many concepts of the catalogues' list alone; None is all entries.
    disjoint : bool
        Whether each language has tokens of its own.
    romanised : bool
        Whether all text is in Latin letters.
    """

    name: str
    shares: dict[str, float]
    parallel: float = 0.0
    parallel_form: str = "lines"
    entries: float = 0.0
    entries_form: str = "table"
    entries_concepts: int | None = None
    disjoint: bool = False
    romanised: bool = False

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
            Shares by language, as a mapping; or parts joined by ``+``. At most one part gives shares:
            ``uniform``, the default; ``temperature:TAU`` (proportional to size**TAU, 0 < TAU <= 1: 1 is as the
            text comes, towards 0 is uniform); ``drop:xx`` or ``drop:xx,yy`` (uniform over the others);
            ``only:xx,yy`` (uniform over these); ``en:0.5,de:0.5`` (languages not named have none). The others
            change the text: ``parallel:SHARE`` and ``entries:SHARE``, after which a comma and a form of
            ``PAIR_FORMS`` may stand, and after that of ``entries`` a comma and a number of concepts, and one of
            ``disjoint`` and ``romanised``.
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
        if not languages:
            raise UserError(f"mix {spec!r} has no languages; expected at least one")
        if isinstance(spec, Mapping):
            name, shares = explicit(spec, languages)
            return cls(name=name, shares=shares)
        if not isinstance(spec, str):
            raise UserError(f"mix is {spec!r}; expected {FORMS}")
        named, rest_of = _parts(spec, languages)
        of_shares = [word for word in named if word not in (PARALLEL, ENTRIES, DISJOINT, ROMANISED)]
        if len(of_shares) > 1:
            raise UserError(f"mix '{spec}' gives shares twice, by {' and by '.join(of_shares)}; expected one of them")
        name, shares = "uniform", {code: 1 / len(languages) for code in languages}
        for word in of_shares:
            if word in READERS:
                name, shares = READERS[word](spec, rest_of[word], languages, sizes)
            else:
                name, shares = explicit(pairs(word, lambda part: _unreadable(spec, part)), languages)
        parallel, parallel_form = _share_and_form(spec, PARALLEL, rest_of.get(PARALLEL), PAIR_FORMS)
        of_entries, concepts = _split_off_concepts(spec, rest_of.get(ENTRIES))
        entries, entries_form = _share_and_form(spec, ENTRIES, of_entries, PAIR_FORMS[1:])
        if parallel + entries >= 1:
            raise UserError(f"mix '{spec}': {PARALLEL} and {ENTRIES} leave the languages nothing; expected less than 1")
        changes = [
            f"{word}:{share:.12g}" + (f",{form}" if form != usual or number else "") + (f",{number}" if number else "")
            for word, share, form, usual, number in (
                (PARALLEL, parallel, parallel_form, PAIR_FORMS[0], None),
                (ENTRIES, entries, entries_form, PAIR_FORMS[1], concepts),
            )
            if share
        ]  # fmt: skip
        if DISJOINT in named and ROMANISED in named:
            raise UserError(f"mix '{spec}': {DISJOINT} shares no tokens, {ROMANISED} shares more; expected one of them")
        if entries and ROMANISED in named:
            raise UserError(f"mix '{spec}': {ENTRIES} are in the scripts of their languages; expected no {ROMANISED}")
        changes += [word for word in (DISJOINT, ROMANISED) if word in named]
        if changes and sum(share > 0 for share in shares.values()) < 2:
            raise UserError(f"mix '{spec}': {changes[0]} is about two languages or more; expected them to have shares")
        kept = [name] if name != "uniform" or not changes else []
        return cls(
            name="+".join(kept + changes), shares=shares, parallel=parallel, parallel_form=parallel_form,
            entries=entries, entries_form=entries_form, entries_concepts=concepts,
            disjoint=DISJOINT in named, romanised=ROMANISED in named,
        )  # fmt: skip

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that have a share."""
        return tuple(code for code, share in self.shares.items() if share > 0)

    def text_changes(self) -> dict[str, Any]:
        """Return what the mix does to text and tokens, JSON-ready; empty when only shares differ.

        Runs whose mixes agree in it can use the same token shards.
        """
        changes: dict[str, Any] = {}
        if self.parallel:
            changes[PARALLEL] = list(self.languages)
            if self.parallel_form != PAIR_FORMS[0]:
                changes["parallel_form"] = self.parallel_form
        if self.entries:
            changes[ENTRIES] = [self.entries_form, *self.languages]
            if self.entries_concepts is not None:
                changes["entries_concepts"] = self.entries_concepts
        if self.disjoint:
            changes[DISJOINT] = list(self.shares)
        if self.romanised:
            changes[ROMANISED] = True
        return changes


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
        When the fixed shares are more than all there is, or a language of the mix has no stream.
    """
    fixed = math.fsum(share for share in streams.values() if share is not None)
    if not 0 <= fixed <= 1:
        raise UserError(f"the fixed streams have a share of {fixed:g}; expected at most 1")
    for code, share in mix.shares.items():
        if share > 0 and streams.get(code, 0.0) is not None:
            raise UserError(f"mix '{mix.name}' has the language '{code}', of which this corpus has no text")
    shares = {
        stream: (1 - fixed) * mix.shares.get(stream, 0.0) if share is None else share
        for stream, share in streams.items()
    }
    return {stream: share for stream, share in shares.items() if share > 0}


def _parts(spec: str, languages: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the parts' words (an explicit list of shares stands for itself) and what follows each."""
    named: list[str] = []
    rest_of: dict[str, str] = {}
    for part in spec.split("+"):
        word, colon, rest = (piece.strip() for piece in part.partition(":"))
        if word not in WORDS:
            guess = nearest(word, WORDS)
            if not colon or (guess and word not in languages):
                raise UserError(f"mix '{spec}': '{word}' is unknown; expected {FORMS}{guess}")
            word = part.strip()
        elif word in (DISJOINT, ROMANISED, "uniform") and colon:
            raise UserError(f"mix '{spec}': {word} takes nothing after it; expected {word}, without a colon")
        if word in named:
            raise UserError(f"mix '{spec}' says {word} twice; expected it once")
        named.append(word)
        rest_of[word] = rest
    return named, rest_of


def _unreadable(spec: str, part: str) -> UserError:
    return UserError(f"mix '{spec}': cannot read '{part}'; expected {FORMS}")


def _split_off_concepts(spec: str, rest: str | None) -> tuple[str | None, int | None]:
    """Return what follows ``entries:`` without the number of concepts at its end, and that number."""
    share_and_form, comma, number = (rest or "").rpartition(",")
    number = number.strip()
    if not comma or number[:1].isalpha():
        return rest, None
    if not number.isascii() or not number.isdigit() or not int(number):
        raise UserError(f"mix '{spec}': the number of concepts is '{number}'; expected 1 or more, such as 60")
    return share_and_form, int(number)


def _share_and_form(spec: str, word: str, rest: str | None, forms: tuple[str, ...]) -> tuple[float, str]:
    """Return what follows ``parallel:`` or ``entries:``, a share and a form; 0 and the usual form without it."""
    if rest is None:
        return 0.0, forms[0]
    number, comma, form = (piece.strip() for piece in rest.partition(","))
    try:
        share = float(number)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        percent = f" (write {share / 100:g} for {share:g} %)" if 1 <= share < 100 else ""
        raise UserError(f"mix '{spec}': the {word} share is '{number}'; expected a number between 0 and 1{percent}")
    if comma and form not in forms:
        raise UserError(
            f"mix '{spec}': a form of {word} is '{form}'; expected {' or '.join(forms)}{nearest(form, forms)}"
        )
    return share, form if comma else forms[0]

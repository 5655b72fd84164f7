"""How two strings that translate each other are written: one below the other, in a table, as in a dictionary."""

from __future__ import annotations

from calque.data.tasks import Segment
from calque.data.words.templates import DEFAULT, template

LINES, TABLE, DICTIONARY, CODES = "lines", "table", "dictionary", "codes"
PAIR_FORMS = (LINES, TABLE, DICTIONARY, CODES)
TEMPLATES = {DICTIONARY: DEFAULT, CODES: "codes"}
"""Templates of the word questions that forms have."""
BETWEEN = {LINES: "\n", TABLE: "\t"}


def written(form: str, first: str, one: str, second: str, other: str) -> str:
    """Return a pair as text, without a line end.

    Parameters
    ----------
    form : str
        ``lines``, the translation on the next line; ``table``, after a tab; ``dictionary``, as the word questions of
        the template ``names``: ``Deutsch: "Hund" - Suomi: "koira"``; ``codes``, of the template ``codes``:
        ``de:Hund=fi:koira;``.
    first, second : str
        Codes.
    one, other : str
        What is said in each.
    """
    return "".join(text for _, text in segments_of(form, first, one, second, other))


def segments_of(form: str, first: str, one: str, second: str, other: str) -> tuple[Segment, ...]:
    """Return the pieces of a pair, of which :func:`written` makes its text: what is no source word is the target's.

    Parameters
    ----------
    form, first, one, second, other
        As in :func:`written`.
    """
    if form in BETWEEN:
        return (first, f"{one}{BETWEEN[form]}"), (second, other)
    *pieces, (code, last) = template(TEMPLATES[form]).line(first, second, one, other)
    return *pieces, (code, last.removesuffix("\n"))


def taken_apart(form: str, first: str, second: str, text: str) -> tuple[str, str]:
    """Return the two strings of which :func:`written` made ``text``.

    Parameters
    ----------
    form, first, second
        As they were given to it.
    text : str
        The pair.
    """
    if form in BETWEEN:
        one, _, other = text.partition(BETWEEN[form])
        return one, other
    (_, before), _, (_, between) = template(TEMPLATES[form]).question(first, second, "\0")
    (_, after) = template(TEMPLATES[form]).line(first, second, "\0", "\1")[-1]
    closing = after.removesuffix("\n").partition("\1")[2]
    one, _, other = text.removeprefix(before).partition(between)
    return one, other.removesuffix(closing)

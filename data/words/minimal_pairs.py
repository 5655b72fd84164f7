"""Minimal pairs of real languages: two texts that differ in one property of grammar."""

from __future__ import annotations

from calque.data.languages import language
from calque.data.tasks import MinimalPair
from calque.data.words.words import lexicon_rows


def minimal_pairs(languages: tuple[str, ...]) -> tuple[MinimalPair, ...]:
    """Return the pairs of these languages; a language that lacks the phenomenon has none.

    Parameters
    ----------
    languages : tuple of str
        Codes.

    Returns
    -------
    tuple of MinimalPair
        ``numeral_agreement`` for en, de, ru, fi: a numeral and a unit in the form it asks for, or in another.

    Raises
    ------
    UserError
        When a code is unknown.
    """
    codes = {language(code).code for code in languages}
    return tuple(MinimalPair(**row) for row in lexicon_rows("minimal_pairs.tsv") if row["language"] in codes)

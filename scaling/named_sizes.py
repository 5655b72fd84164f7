"""Parsing model sizes and amounts that a user typed, such as 1.7b."""

from __future__ import annotations

import math

from calque.data.errors import UserError

NAMED_SIZES = {
    "69m": 2_213_632, "152m": 17_701_376, "261m": 59_734_272, "410m": 141_583_360, "612m": 276_519_680,
    "880m": 477_814_272, "1.7b": 1_132_562_432,
}  # fmt: skip
"""Non-embedding parameters of Calque's ladder, whose names count all parameters (docs/MODELS.md)."""
MOST = 1e30
SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


def parse_size(text: str, parameter: str = "size") -> float:
    """Return the number of non-embedding parameters that ``text`` names.

    Parameters
    ----------
    text : str
        A name of Calque's ladder (``69m`` to ``1.7b``), or any other number of non-embedding parameters, plain or with
        k, m, b, t.
    parameter : str
        The caller's parameter, for the error.

    Raises
    ------
    UserError
        When it is no number from 1 to :data:`MOST`.
    """
    word = text.strip().lower()
    if word in NAMED_SIZES:
        return float(NAMED_SIZES[word])
    return parse_amount(text, parameter, "size; expected non-embedding parameters as 1.7b, 350m or a plain number")


def parse_amount(
    text: str, parameter: str, expected: str = "amount; expected one such as 37b or a plain number"
) -> float:
    """Return a number that may end in k, m, b or t, such as one of tokens.

    Parameters
    ----------
    text : str
        What the user typed.
    parameter : str
        The caller's parameter, for the error.
    expected : str
        What it should be, for the error.

    Raises
    ------
    UserError
        When it is no number from 1 to :data:`MOST`.
    """
    word = text.strip().lower().replace("_", "").replace(",", "")
    scale = SUFFIXES.get(word[-1:], 1.0)
    try:
        value = float(word[:-1] if word[-1:] in SUFFIXES else word) * scale
    except ValueError:
        value = math.nan
    if not 1 <= value <= MOST:
        raise UserError(f"`{parameter}` {text!r} is no {expected}")
    return value

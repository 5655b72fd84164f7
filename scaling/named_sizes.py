"""Sizes as a person types them."""

from __future__ import annotations

import math

from data.errors import UserError

NAMED_SIZES = {"1.7b": 1_132_562_432}
"""Calque's full size: 1,669,433,344 parameters, of which 536,870,912 embed or unembed tokens."""
SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


def parse_size(text: str, option: str = "--size") -> float:
    """Return the non-embedding parameters that ``text`` names.

    A number, plain or with k, m, b, t, counts non-embedding parameters; ``1.7b`` names Calque's full size,
    whose non-embedding parameters are 1,132,562,432.

    Raises
    ------
    UserError
        When it is no positive number.
    """
    word = text.strip().lower().replace("_", "").replace(",", "")
    if word in NAMED_SIZES:
        return float(NAMED_SIZES[word])
    scale = SUFFIXES.get(word[-1:], 1.0)
    try:
        value = float(word[:-1] if word[-1:] in SUFFIXES else word) * scale
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 1:
        raise UserError(
            f"{option} {text!r} is no size; expected non-embedding parameters as 1.7b, 350m or a plain number"
        )
    return value

"""Numbers as people write them: ``5M`` tokens, ``1.7b`` parameters, ``1:05`` minutes, a p-value of ``.012``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator

MOST = 10**18
"""Beyond any text, and what a float tells apart by ones."""
ABSENT = "–"
MOST_DIGITS = 7
"""Counts that differ less than this many digits show read alike."""
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


def parse_count(value: Any) -> Any:
    """Return ``value`` as an int: ``5M``, ``1.5k``, ``37B`` or a whole number; other types are returned unchanged.

    Raises
    ------
    ValueError
        When the text is no count; the message shows what is.

    Examples
    --------
    >>> [parse_count(text) for text in ("5M", "1.5k", "2e6", "100_000")]
    [5000000, 1500, 2000000, 100000]
    """
    if isinstance(value, bool):
        raise ValueError(f"'{value}' is no count; expected one such as 5M or 5000000")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and value > MOST:
        raise ValueError(f"{value:.3g} is more than {format_count(MOST)}; expected a count such as 5M or 5000000")
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"([0-9][0-9_]*(?:\.[0-9]+)?(?:e[0-9]+)?)\s*([kmbt]?)", value.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"'{value}' is no count; expected one such as 5M, 185k or 5000000 (k, M, B, T)")
    number = float(match[1].replace("_", "")) * _FACTORS[match[2].lower()]
    if number > MOST:
        raise ValueError(f"'{value}' is more than {format_count(MOST)}; expected a count such as 5M or 5000000")
    if abs(number - round(number)) > 1e-6:
        raise ValueError(f"'{value}' is no whole number; expected one such as 5M or 5000000")
    return round(number)


def format_count(value: float | None, digits: int = 3) -> str:
    """Return a count with its significant digits and k, M, B or T, such as ``1.67B``; a dash where it is missing.

    Parameters
    ----------
    value : float or None
        The count; None or a number that is not finite is missing.
    digits : int
        Significant digits.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> format_count(1_669_332_992), format_count(999_600), format_count(12)
    ('1.67B', '1M', '12')
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    for factor, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor * (1 - 0.5 * 10.0**-digits):
            return f"{value / factor:.{digits}g}{unit}"
    return f"{value:.{digits}g}"


def plural(n: float, one: str, many: str | None = None) -> str:
    """Return a number and its noun, such as ``1 run`` or ``1,200 runs``.

    Parameters
    ----------
    n : int or float
        The number.
    one : str
        The noun in the singular, perhaps with its verb: ``run has``.
    many : str, optional
        The same in the plural; ``one`` with an s when None.

    Returns
    -------
    str
        The text, with commas between thousands from 10,000 on.

    Examples
    --------
    >>> plural(1, "run"), plural(0, "run"), plural(12_000, "study", "studies")
    ('1 run', '0 runs', '12,000 studies')
    """
    number = f"{n:.6g}" if n != int(n) else f"{int(n):,}" if abs(n) >= 10_000 else str(int(n))
    return f"{number} {one if n == 1 else many or one + 's'}"


def format_number(value: float, digits: int = 2) -> str:
    """Return a number with its significant digits and no power of ten: ``110``, ``1,200``, ``0.34``.

    Parameters
    ----------
    value : float
        The number; beyond 1e15 it keeps its power of ten.
    digits : int
        Significant digits.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> format_number(109.6), format_number(99.7), format_number(0.3421), format_number(1234)
    ('110', '100', '0.34', '1,200')
    """
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e" in text and 1 <= abs(value) < 1e15 else text


def format_counts(*values: float | None) -> tuple[str, ...]:
    """Return counts that stand together, with three digits or as many more as tell different ones apart.

    Parameters
    ----------
    *values : float or None
        The counts; missing ones are dashes.

    Returns
    -------
    tuple of str
        One text a value.

    Examples
    --------
    >>> format_counts(1_900, 1_895, 1_904)
    ('1.9k', '1.895k', '1.904k')
    """
    return _told_apart(values, 3, format_count)


def format_numbers(*values: float | None, digits: int = 3) -> tuple[str, ...]:
    """Return numbers that stand together, with their digits or as many more as tell different ones apart.

    Parameters
    ----------
    *values : float or None
        The numbers; missing ones are dashes.
    digits : int
        Significant digits at least.

    Returns
    -------
    tuple of str
        One text a value.

    Examples
    --------
    >>> format_numbers(1.06251, 1.0621, 1.063)
    ('1.0625', '1.0621', '1.0630')
    """

    def text(value: float | None, digits: int) -> str:
        return ABSENT if value is None or not math.isfinite(value) else f"{value:#.{digits}g}".rstrip(".")

    return _told_apart(values, digits, text)


def _told_apart(
    values: Sequence[float | None], fewest: int, text: Callable[[float | None, int], str]
) -> tuple[str, ...]:  # fmt: skip
    different = len({v for v in values if v is not None and math.isfinite(v)})
    texts: tuple[str, ...] = ()
    for digits in range(fewest, max(MOST_DIGITS, fewest) + 1):
        texts = tuple(text(v, digits) for v in values)
        if len(set(texts) - {ABSENT}) == different:
            break
    return texts


def format_interval(low: float | None, high: float | None) -> str:
    """Return an interval of counts in words, such as ``1M to 2M`` or ``after 1M``.

    Parameters
    ----------
    low : float or None
        Lower end; None where it is open.
    high : float or None
        Upper end; None where it is open.

    Returns
    -------
    str
        The text.
    """
    return _interval(low, high, *format_counts(low, high))


def format_estimate(value: float | None, low: float | None, high: float | None, unit: str = "") -> str:
    """Return a count with its interval, such as ``1.9k (1.895k to 1.904k)``; the interval alone where there is none.

    Parameters
    ----------
    value : float or None
        The estimate.
    low, high : float or None
        Ends of its interval; None where open.
    unit : str
        What is counted, after the estimate.

    Returns
    -------
    str
        The text.
    """
    texts = format_counts(value, low, high)
    interval = _interval(low, high, *texts[1:])
    return interval if value is None else f"{texts[0]}{unit and ' ' + unit} ({interval})"


def _interval(low: float | None, high: float | None, low_text: str, high_text: str) -> str:
    if low is None and high is None:
        return "unbounded"
    if low is None:
        return f"before {high_text}"
    if high is None:
        return f"after {low_text}"
    return f"{low_text} to {high_text}"


def format_p(p: float | None) -> str:
    """Return a p-value with three decimals and without the leading zero; a dash where there is none."""
    if p is None:
        return ABSENT
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0") if p < 1 else "1"


def format_duration(seconds: float | None) -> str:
    """Return seconds as ``h:mm:ss`` or ``m:ss``; an empty string for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def format_bytes(count: float) -> str:
    """Return bytes as megabytes with one decimal: ``1,234.5 MB``.

    Parameters
    ----------
    count : float
        Number of bytes.

    Returns
    -------
    str
        The text.
    """
    return f"{count / 1e6:,.1f} MB"


Count = Annotated[int, BeforeValidator(parse_count)]
"""An int that a study file may write as ``5M``."""

"""Checks of settings that several commands share."""

from __future__ import annotations

from calque.data.errors import UserError

LEAST_BOOT = 19


def check_level(level: float) -> None:
    """Check the level of an interval.

    Parameters
    ----------
    level : float
        Probability that the interval holds.

    Raises
    ------
    UserError
        When it is not at least 0.5 and less than 1.
    """
    if not 0.5 <= level < 1:
        raise UserError(f"`level` is {level:g}; expected at least 0.5 and less than 1, such as 0.9")


def check_count(parameter: str, value: int, least: int, most: int | None = None) -> None:
    """Check a number of things.

    Parameters
    ----------
    parameter : str
        Its name, for the error.
    value, least, most : int
        What came and what is expected, without an upper limit where ``most`` is None.

    Raises
    ------
    UserError
        When it is out of range.
    """
    if value < least or (most is not None and value > most):
        expected = f"{least} or more" if most is None else f"{least} to {most}"
        raise UserError(f"`{parameter}` is {value}; expected {expected}")

"""The analysis of one series kept from taking the others along where its numbers fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from calque.data.errors import UserError

T = TypeVar("T")
NUMERICAL = (ArithmeticError, ValueError, IndexError)
"""Errors that the numbers of one series can cause."""


def isolated(work: Callable[[], T], failed: Callable[[str], T]) -> T:
    """Return what ``work`` gives; where the numbers of its series fail, what ``failed`` makes of the reason.

    One series must not take the others of a cube with it. Errors of users and of the program itself pass.

    Parameters
    ----------
    work : callable
        The analysis of one series, or of two.
    failed : callable
        Takes the reason, which names the error, and returns a row or a refusal of outcome ``not_converged``.
    """
    try:
        return work()
    except UserError:
        raise
    except NUMERICAL as error:
        text = " ".join(str(error).split())[:160]
        return failed(f"the analysis of this series failed ({type(error).__name__}: {text}); the others stand")

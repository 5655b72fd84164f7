"""How a text names parameters: as flags while a command runs, as arguments for who calls a function from Python.

Functions write parameters in backticks (```boot```), in errors as in notes. A command has them shown as its flags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_naming: ContextVar[Callable[[str], str] | None] = ContextVar("naming", default=None)


@contextmanager
def naming(rename: Callable[[str], str]) -> Iterator[None]:
    """Have texts name parameters in another way while a command runs.

    Parameters
    ----------
    rename : callable
        Returns a text with the parameters in backticks replaced.
    """
    token = _naming.set(rename)
    try:
        yield
    finally:
        _naming.reset(token)


def named(texts: Iterable[str]) -> tuple[str, ...]:
    """Return texts with their parameters as the caller knows them: flags of the running command, else unchanged.

    Parameters
    ----------
    texts : iterable of str
        Notes and sentences, with parameters in backticks.
    """
    rename = _naming.get()
    return tuple(texts) if rename is None else tuple(map(rename, texts))

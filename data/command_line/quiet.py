"""``--quiet``: tables, sentences and progress go nowhere; answers in JSON, errors and warnings stay."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import wraps
from typing import Annotated, Any, TextIO

import typer

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no table and no progress.")]
_answers: list[TextIO] = []
"""Standard output as it was before a command fell silent."""


def is_quiet() -> bool:
    """Return whether a command that runs was asked to be quiet."""
    return bool(_answers)


def answers() -> TextIO:
    """Return where answers in JSON go: standard output, also of a quiet command."""
    return _answers[-1] if _answers else sys.stdout


@contextmanager
def quietly() -> Iterator[None]:
    """Let nothing be printed on standard output but answers, and no progress be shown."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        _answers.append(sys.stdout)
        try:
            with redirect_stdout(nowhere):
                yield
        finally:
            _answers.pop()


def with_quiet(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command's function with the option ``--quiet`` beside its own.

    Parameters
    ----------
    function : callable
        Its parameters are annotated for typer.
    """

    @wraps(function)
    def command(*args: Any, quiet: bool, **kwargs: Any) -> None:
        if not quiet:
            return function(*args, **kwargs)
        with quietly():
            return function(*args, **kwargs)

    own = inspect.signature(function, eval_str=True)
    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    command.__signature__ = own.replace(parameters=[*own.parameters.values(), option])  # type: ignore[attr-defined]
    command.__annotations__ = {**function.__annotations__, "quiet": Quiet}
    return command

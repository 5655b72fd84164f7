"""Mistakes in what was typed, as one line: the option, what came, what was expected, the nearest right word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from calque.data.errors import UserError, nearest, shown

MISTAKE: type[Any] = typer.BadParameter.__bases__[0]
"""What typer raises for any wrong use of a command line."""
HELP_ASKED = "NoArgsIsHelpError"
"""The one that only prints the help."""
KINDS = {
    "int_parsing": "a whole number", "int_parsing_size": "a smaller whole number", "int_from_float": "a whole number",
    "float_parsing": "a number", "bool_parsing": "yes or no",
    "greater_than_equal": "{ge} or more", "less_than_equal": "{le} at most", "greater_than": "more than {gt}",
    "less_than": "less than {lt}",
}  # fmt: skip
"""What pydantic, with which typer reads values, expects by the type of its errors."""
ALIKE = 0.6
"""Likeness of two options from which one is the other mistyped."""
ONE_OF = re.compile(r"(?s)(?:Value error, )?(?P<given>.*) is not one of (?P<known>('[^']*'(, )?)+)\.?")


@contextmanager
def in_one_line() -> Iterator[None]:
    """Raise what typer says of a mistake, a panel of several lines, as a :class:`UserError`.

    Raises
    ------
    UserError
        Instead of typer's error.
    """
    try:
        yield
    except MISTAKE as error:
        if type(error).__name__ == HELP_ASKED:
            raise
        raise UserError(_sentence(error)) from None


def _sentence(error: Any) -> str:
    context, param = getattr(error, "ctx", None), getattr(error, "param", None)
    see = f"; see '{_path(context)} --help'" if context is not None else ""
    if param is not None:
        missing = type(error).__name__ == "MissingParameter"
        return f"{_name(param)} is missing{see}" if missing else f"{_name(param)} {_expected(error)}"
    if type(error).__name__ == "NoSuchOption" and context is not None:
        known = [name[2:] for one in context.command.params for name in one.opts if name.startswith("--")]
        near = nearest(error.option_name.lstrip("-"), known, ALIKE).replace("'", "'--", 1)
        return f"there is no option {error.option_name}{near or see}"
    return f"{_lower(error.format_message().rstrip('.'))}{see}"


def _path(context: Any) -> str:
    """Return what a person types for a command, such as ``phases detect``, however the program was started."""
    above = f"{_path(context.parent)} " if context.parent is not None else ""
    return f"{above}{context.command.name}"


def _expected(error: Any) -> str:
    """Return what a value of an option is, and what was expected, after the option's name."""
    choice = ONE_OF.fullmatch(error.message)
    if choice is not None:
        known = re.findall(r"'([^']*)'", choice["known"])
        given = choice["given"].strip("'")
        return f"is {shown(given)}; expected one of {', '.join(known)}{nearest(given, known)}"
    if hasattr(error.__cause__, "errors"):
        detail = error.__cause__.errors()[0]
        form = KINDS.get(detail["type"])
        expected = form.format(**detail.get("ctx", {})) if form else _lower(detail["msg"].removeprefix("Value error, "))
        return f"is {shown(detail['input'])}; expected {expected}"
    return f"is not what it should be: {_lower(error.message.rstrip('.'))}"


def _name(param: Any) -> str:
    if param.param_type_name == "option":
        return str(max(param.opts, key=len))
    return str(getattr(param, "metavar", None) or str(param.name).upper())


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]

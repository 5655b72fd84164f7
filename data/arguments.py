"""Arguments of the public functions: their types checked at the boundary, and pairs of names and values."""

from __future__ import annotations

import inspect
import os
import sys
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, wraps
from numbers import Integral, Real
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np

from calque.data.errors import UserError, nearest
from calque.data.files import named_file

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")
SHOWN = 60
"""Characters of a value that an error quotes."""
WORDS: dict[Any, str] = {
    str: "text", int: "a whole number", float: "a number", bool: "True or False", type(None): "None",
    "HoldsCube": "a result that holds a cube", os.PathLike: "a path", Sequence: "a list",
    Mapping: "a mapping", Callable: "a function",
}  # fmt: skip


def checked(function: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Return a function that refuses arguments of another type than it declares, naming the parameter.

    NumPy's numbers count as numbers, True and False do not. A class that is only declared for type checkers, and what
    is no plain type, is left to the function.

    Parameters
    ----------
    function : callable
        With annotations.

    Raises
    ------
    UserError
        From the call: what came, what is expected.
    TypeError
        For a parameter that is missing or unknown, as Python does, with the nearest right one.
    """
    signature = inspect.signature(function)

    @cache
    def expected() -> dict[str, Any]:
        names = vars(sys.modules[function.__module__])
        return {name: _evaluated(p.annotation, names) for name, p in signature.parameters.items()}

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            unknown = next((name for name in kwargs if name not in signature.parameters), "")
            said = nearest(unknown, list(signature.parameters))
            raise TypeError(f"{function.__name__}() {error}{said}") from None
        for name, value in given.items():
            declared = expected()[name]
            if declared is not None and not fits(value, declared):
                raise UserError(f"`{name}` is {_quoted(value)}; expected {in_words(declared)}")
            if isinstance(value, str | os.PathLike) and _takes_path(declared):
                named_file(value, f"`{name}`")
        return function(*args, **kwargs)

    return call


def check_numbers(of: object, least: Mapping[str, float]) -> None:
    """Refuse numbers of settings that are too small, and a ``level`` that is no probability.

    Parameters
    ----------
    of : object
        Settings, with an attribute ``level``.
    least : mapping of str to float
        The least value of each attribute.

    Raises
    ------
    UserError
        What came, and what is expected.
    """
    for name, value in least.items():
        if getattr(of, name) < value:
            raise UserError(f"`{name}` is {getattr(of, name)}; expected {value} or more")
    level = getattr(of, "level")  # noqa: B009
    if not 0 < level < 1:
        raise UserError(f"`level` is {level:g}; expected more than 0 and less than 1, such as 0.95")


def _takes_path(declared: Any) -> bool:
    """Return whether a parameter is a path, perhaps among other things that are no text."""
    kinds = [get_origin(kind) or kind for kind in (get_args(declared) or (declared,))]
    return any(isinstance(kind, type) and issubclass(kind, os.PathLike) for kind in kinds)


def fits(value: object, declared: Any) -> bool:
    """Return whether a value is of a declared type.

    Parameters
    ----------
    value : object
        As a caller passes it.
    declared : type
        Also a union, a literal, a sequence or a mapping.
    """
    origin, inner = get_origin(declared), get_args(declared)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is Sequence or (isinstance(origin, type) and issubclass(origin, list | tuple)):
        if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
            return False
        kinds = [kind for kind in inner if kind is not Ellipsis]
        return len(kinds) != 1 or all(fits(one, kinds[0]) for one in value)
    kind = origin or declared
    if kind is Callable:
        return callable(value)
    if kind is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, Real) and not isinstance(value, bool)
    if kind is bool:
        return isinstance(value, bool | np.bool_)
    if kind is type(None) or kind is None:
        return value is None
    return not isinstance(kind, type) or isinstance(value, kind)


def in_words(declared: Any) -> str:
    """Return what is expected where a type is declared, for a person.

    Parameters
    ----------
    declared : type
        As in an annotation.
    """
    origin, inner = get_origin(declared), get_args(declared)
    if origin in (Union, types.UnionType):
        words = list(dict.fromkeys(in_words(one) for one in inner if one is not type(None)))
        return " or ".join(words)
    if origin is Literal:
        return " or ".join(map(str, inner))
    kind = origin or declared
    named = getattr(kind, "__name__", str(kind))
    name = WORDS.get(kind, WORDS.get(named, named))
    if kind is Sequence and inner:
        return f"{name} of {in_words(inner[0])}"
    return name


def pairs(given: str | Sequence[str] | Mapping[str, Any], parameter: str) -> tuple[str, ...]:
    """Return ``NAME=VALUE`` texts from one text, several, or a mapping.

    Parameters
    ----------
    given : str, sequence of str, or mapping
        Such as ``"mix=uniform"`` or ``{"mix": "uniform"}``.
    parameter : str
        Whose argument it is, for the error.

    Raises
    ------
    UserError
        For what is none of these.
    """
    if isinstance(given, Mapping):
        return tuple(f"{name}={value}" for name, value in given.items())
    if isinstance(given, str):
        return (given,)
    if isinstance(given, bytes) or not isinstance(given, Collection) or not all(isinstance(o, str) for o in given):
        raise UserError(f"`{parameter}` is {_quoted(given)}; expected NAME=VALUE, several in a list, or a mapping")
    return tuple(given)


def _quoted(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # a foreign object may fail here in any way
        text = ""
    if not text or "\n" in text or len(text) > SHOWN:
        return f"of type {type(value).__name__}"
    return text


def _evaluated(annotation: Any, names: Mapping[str, Any]) -> Any:
    """Return an annotation as a type, or None where it names what is known to type checkers alone."""
    if annotation is inspect.Parameter.empty:
        return None
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, dict(names))  # the function's own annotation, as typing.get_type_hints does
    except (NameError, AttributeError):
        return None

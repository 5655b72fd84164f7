"""Validation of a YAML file: pydantic finds the mistakes, one sentence reports the first."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from calque.data.errors import TYPO, UserError, nearest, shown
from calque.data.strict_yaml.document import Place, dotted, read_document
from calque.data.strict_yaml.sections import elsewhere, fields, misplaced_boolean, place_of, section_at

UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
NO_SECTION = ("dataclass_type", "dataclass_exact_type", "model_type", "model_attributes_type")


class Strict(BaseModel):
    """A frozen section of a file in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Section = TypeVar("Section", bound=Strict)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A mistake in a configuration: where its value stands, and a sentence that names its key."""

    place: Place
    message: str


def read_model(path: str | os.PathLike[str], model: type[Section], expected: str) -> Section:
    """Read a YAML file as a model.

    Parameters
    ----------
    path : path
    model : subclass of Strict
    expected : str
        What kind of file it should be, for messages.

    Raises
    ------
    UserError
        One line naming file, line, key, what came, what was expected and the nearest right key.
    """
    document = read_document(path, expected, list(model.model_fields))
    mistake = boolean_mistake(document.content, model)
    if mistake is None:
        try:
            return model.model_validate(document.content)
        except ValidationError as error:
            mistake = first_mistake(error, model, document.line)
    raise document.error(mistake.place, mistake.message)


def boolean_mistake(values: Any, kind: Any) -> Mistake | None:
    """Return the first yes or no where the configuration expects a number or a word.

    Parameters
    ----------
    values : object
        What the YAML file holds.
    kind : type
        Type of the configuration.

    Returns
    -------
    Mistake or None
        Place and message; None where there is no such value.
    """
    found = misplaced_boolean(values, kind)
    if found is None:
        return None
    return Mistake(place=found[0], message=f"{dotted(found[0])} is yes or no; expected {found[1]}")


def first_mistake(
    error: ValidationError, kind: Any, line: Callable[[Place], int], also: tuple[str, ...] = (),
    hint: Callable[[str], str] = lambda word: "",
) -> Mistake:  # fmt: skip
    """Return the mistake to report first: an unknown key, which may be why another is missing, then by line.

    Parameters
    ----------
    error : pydantic.ValidationError
    kind : type
        What was validated: a dataclass or a model.
    line : callable
        Gives the line of a place.
    also : tuple of str
        Further keys that the first level may hold, for messages.
    hint : callable
        Gives the suggestion for an unknown word, such as ``"; did you mean 'size'?"``, or an empty string; asked where
        no key of the section is nearly the same.
    """
    details = error.errors()
    places = [place_of(detail["loc"], kind) + _own_place(detail) for detail in details]
    # where a value may be of several kinds, the mistake furthest within it is of the kind that was meant
    order = [(detail["type"] not in UNKNOWN, line(at), -len(at)) for detail, at in zip(details, places, strict=True)]
    first = order.index(min(order))
    others = len({*places} - {places[first]})
    more = f" (and {others} more)" if others else ""
    return Mistake(place=places[first], message=_sentence(details[first], places[first], kind, also, hint) + more)


def _own_place(detail: ErrorDetails) -> Place:
    """Return the place of the value below its section when a check of ours raised the error."""
    raised = detail.get("ctx", {}).get("error")
    return raised.place if isinstance(raised, UserError) else ()


def _sentence(detail: ErrorDetails, place: Place, kind: Any, also: tuple[str, ...], hint: Callable[[str], str]) -> str:
    key, given = dotted(place), detail["input"]
    if detail["type"] in UNKNOWN:
        known = [*fields(section_at(kind, place[:-1])), *(also if len(place) == 1 else ())]
        word = str(place[-1])
        suggestion = nearest(word, known, TYPO) or hint(word) or elsewhere(word, kind) or nearest(word, known)
        return f"unknown key '{key}'; expected one of {', '.join(known)}{suggestion}"
    if detail["type"] == "missing":
        return f"{key} is missing; expected a value"
    if detail["type"] in NO_SECTION:
        return f"{key} is {shown(given)}; expected values by name: {', '.join(fields(section_at(kind, place)))}"
    raised = detail.get("ctx", {}).get("error")
    if isinstance(raised, Exception):
        message = str(raised)
        return message if not key or message.startswith(key) else f"{key}: {message}"
    message = detail["msg"][:1].lower() + detail["msg"][1:]
    return f"{key}: {message}" + ("" if isinstance(given, dict | list | BaseModel) else f" (got {shown(given)})")

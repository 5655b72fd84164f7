"""What a configuration is made of: sections with fields, dataclasses and pydantic models alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from calque.data.strict_yaml.document import Place


def fields(kind: Any) -> Mapping[str, Any]:
    """Return the fields of a section with their types; an empty dict where a type is no section.

    Parameters
    ----------
    kind : type
        A dataclass, a pydantic model, or any other type.

    Returns
    -------
    mapping of str to type
        Type by field.
    """
    return _fields(kind) if isinstance(kind, type) else {}


@cache
def _fields(kind: type) -> Mapping[str, Any]:
    if issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return {}


def alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union type, without None; a plain type is its own only member.

    Parameters
    ----------
    kind : type
        A type annotation.

    Returns
    -------
    tuple of type
        The members, nested unions flattened.
    """
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) not in (Union, UnionType):
        return (kind,)
    return tuple(one for part in get_args(kind) if part is not NoneType for one in alternatives(part))


def section_at(kind: Any, place: Place) -> Any:
    """Return the type of the section at a place in a configuration of type ``kind``, or None where there is none."""
    for part in place:
        kind = next((inner for one in alternatives(kind) if (inner := _inside(one, part)) is not None), None)
    return next((one for one in alternatives(kind) if fields(one)), None)


def keys_of(kind: Any, above: str = "") -> Iterator[str]:
    """Yield every dotted key of a configuration of type ``kind``, sections included; ``above`` stands before each."""
    for name, inner in fields(kind).items():
        yield above + name
        for one in alternatives(inner):
            yield from keys_of(one, f"{above}{name}.")


def elsewhere(word: str, kind: Any) -> str:
    """Return ``"; did you mean 'training.tokens'?"`` where the word is a key of other sections, or an empty string.

    Parameters
    ----------
    word : str
        A key that is unknown where it stands.
    kind : type
        Of the whole configuration.
    """
    found = [f"'{key}'" for key in keys_of(kind) if key.rpartition(".")[2] == word]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def place_of(location: Place, kind: Any) -> Place:
    """Return where a value stands in the file, from the location that pydantic reports.

    A location of pydantic names the branch of each union too; the place does not.

    Parameters
    ----------
    location : tuple of str or int
        ``loc`` of a pydantic error.
    kind : type
        Type of the whole configuration.

    Returns
    -------
    tuple of str or int
        Keys and list indices that lead to the value.
    """
    place: Place = ()
    parts = list(location)
    while parts:
        several = alternatives(kind)
        if len(several) > 1:
            parts.pop(0)  # the branch
            if not parts:
                break
        part = parts.pop(0)
        if part == "[key]":  # it is the key that is wrong, which stands before
            continue
        place = (*place, part)
        kind = next((inner for one in several if (inner := _inside(one, part)) is not None), None)
    return place


def misplaced_boolean(value: Any, kind: Any) -> tuple[Place, str] | None:
    """Return the place of the first yes or no that a configuration has no use for, and what was expected there.

    They would pass as 1 and 0.

    Parameters
    ----------
    value : any
        As read from YAML: mappings, lists, scalars.
    kind : type
        Of the value.
    """
    several = alternatives(kind)
    if isinstance(value, bool):
        if bool in several or Any in several:
            return None
        number = any(one in (int, float) for one in several)
        return (), "a number" if number else "a word, in quotes if it is yes, no, on or off"
    inner: Mapping[Any, Any] = {}
    if isinstance(value, dict):
        inner = value
    elif isinstance(value, list | tuple):
        inner = dict(enumerate(value))
    for key, one in inner.items():
        within = next((found for each in several if (found := _inside(each, key)) is not None), Any)
        found = misplaced_boolean(one, within)
        if found is not None:
            return (key, *found[0]), found[1]
    return None


def _inside(kind: Any, part: str | int) -> Any:
    """Return the type of a field, of a value of a mapping, or of an entry of a list; None where there is none."""
    known = fields(kind)
    if known:
        return known.get(str(part))
    arguments = [one for one in get_args(kind) if one is not Ellipsis]
    origin = get_origin(kind)
    if not isinstance(origin, type) or not arguments:
        return None
    if issubclass(origin, Mapping):
        return arguments[1]
    if isinstance(part, int) and issubclass(origin, tuple) and len(arguments) > 1:
        return arguments[part] if part < len(arguments) else None
    return arguments[0] if isinstance(part, int) else None

"""Yes and no where a configuration wants a number or a word: they would pass as 1 and 0."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_type_hints

from calque.sweeps.study.yaml_lines import Place


def misplaced(values: Any, kind: Any) -> tuple[Place, str] | None:
    """Return the place of the first boolean that ``kind`` has no use for, and what it wants there.

    Parameters
    ----------
    values : any
        As read from YAML: mappings, lists, scalars.
    kind : type
        A dataclass, or the type of one of its fields.
    """
    parts = (kind, *get_args(kind))
    if isinstance(values, bool):
        if bool in parts:
            return None
        numbers = any(part in (int, float) for part in parts)
        return (), "a number" if numbers else "a word, in quotes if it is yes, no, on or off"
    if isinstance(values, list | tuple):
        inside = next((part for part in get_args(kind) if part is not Ellipsis), object)
        return _first({i: (value, inside) for i, value in enumerate(values)})
    if not isinstance(values, dict):
        return None
    section = next((part for part in parts if dataclasses.is_dataclass(part)), None)
    if section is not None:
        hints = get_type_hints(section)
        return _first({key: (value, hints[key]) for key, value in values.items() if key in hints})
    return _first({key: (value, float) for key, value in values.items()})


def _first(inner: dict[Any, tuple[Any, Any]]) -> tuple[Place, str] | None:
    for key, (value, kind) in inner.items():
        found = misplaced(value, kind)
        if found:
            return (key, *found[0]), found[1]
    return None

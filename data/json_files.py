"""JSON files: written whole and strictly, read with an error that names the file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from calque.data.errors import UserError, file_error
from calque.data.files import write_atomically

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Kind = TypeVar("Kind")
_adapters: dict[Any, TypeAdapter[Any]] = {}


def strict(value: Any) -> Any:
    """Return a value as strict JSON knows it: numbers that are not finite become None, tuples lists."""
    if isinstance(value, Mapping):
        return {key: strict(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [strict(inner) for inner in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    return value


def to_json(value: Any, *, indent: int | None = 1, sort_keys: bool = False) -> str:
    """Return a value as strict JSON with a newline at its end; a number that is not finite becomes ``null``.

    Parameters
    ----------
    value : object
        Dicts, lists, numbers, texts and what converts to them.
    indent : int or None
        Spaces a level; None for one line.
    sort_keys : bool
        Whether keys are in alphabetic order.

    Returns
    -------
    str
        The JSON text.
    """
    text = json.dumps(strict(value), indent=indent, sort_keys=sort_keys, allow_nan=False, ensure_ascii=False)
    return text + "\n"


def write_json(path: Path, value: Any, *, indent: int | None = 1, sort_keys: bool = False) -> None:
    """Write a JSON file atomically: it is complete and on the disk, or absent.

    Parameters
    ----------
    path : Path
        The file.
    value : object
        Dicts, lists, numbers, texts and what converts to them.
    indent : int or None
        Spaces a level; None for one line.
    sort_keys : bool
        Whether keys are in alphabetic order.
    """
    write_atomically(path, to_json(value, indent=indent, sort_keys=sort_keys).encode())


def read_json(path: Path, expected: str = "") -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : Path
    expected : str
        What it should be, for messages.

    Raises
    ------
    UserError
        When it cannot be read or is no JSON.
    """
    ending = f"; expected {expected}" if expected else ""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise file_error(error, "read", path, expected) from error
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not valid JSON ({reason}){ending}") from error


def read_json_if_there(path: Path, kind: type[Kind]) -> Kind | None:
    """Read a JSON file that can be made again; return None where it is missing, damaged or of another kind.

    Parameters
    ----------
    path : Path
        The file.
    kind : type
        What it must hold, such as ``dict[str, int]`` or a dataclass; numbers are not taken for texts nor texts for
        numbers.

    Returns
    -------
    object or None
        The content.
    """
    try:
        found: Kind = _adapter(kind).validate_json(path.read_bytes(), strict=True)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return None
    return found


def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # a command that prints its help does not need it

    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]

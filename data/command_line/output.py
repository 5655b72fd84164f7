"""What a command writes: output files that can be written, answers as strict JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calque.data.errors import UserError, file_error
from calque.data.files import write_atomically


def check_output(path: Path) -> None:
    """Refuse a file that cannot be written, before any work is done."""
    if not path.absolute().parent.is_dir():
        raise UserError(f"cannot write {path}: its folder does not exist; make it or choose another")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")


def emit_json(target: str | None, answer: Mapping[str, Any]) -> bool:
    """Write ``answer`` to the file or stdout (``-``) that ``--json`` names; return whether it went to stdout.

    Strict JSON: a number that is none becomes ``null``. A file is written whole or not at all.

    Raises
    ------
    UserError
        When the file cannot be written.
    """
    if target is None:
        return False
    text = json.dumps(_strict(answer), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return True
    try:
        write_atomically(Path(target), text.encode())
    except OSError as error:
        raise file_error(error, "write", target) from error
    return False


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _strict(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

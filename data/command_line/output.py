"""What a command writes: output files that can be written, answers as strict JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calque.data.errors import UserError, file_error
from calque.data.json_files import to_json, write_json


def check_output(path: Path) -> None:
    """Refuse a file that cannot be written, before any work is done."""
    if not path.absolute().parent.is_dir():
        raise UserError(f"cannot write {path}: its folder does not exist; make it or choose another")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")


def check_json(target: str | None) -> None:
    """Refuse what ``--json`` names when it cannot be written, before any work is done."""
    if target is not None and target != "-":
        check_output(Path(target))


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
    if target == "-":
        sys.stdout.write(to_json(answer))
        return True
    try:
        write_json(Path(target), answer)
    except OSError as error:
        raise file_error(error, "write", target) from error
    return False

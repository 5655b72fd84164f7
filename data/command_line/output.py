"""What a command writes: output files that can be written, answers as strict JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calque.data.command_line.quiet import answers
from calque.data.errors import UserError, file_error
from calque.data.files import named_file
from calque.data.json_files import to_json, write_json


def check_output(path: Path) -> None:
    """Refuse an output file that cannot be written, before any work is done.

    Parameters
    ----------
    path : Path
        The file to be written.

    Raises
    ------
    UserError
        When its folder does not exist, its name is too long, or ``path`` is a folder.
    """
    path = named_file(path)
    if not path.absolute().parent.is_dir():
        raise UserError(f"cannot write {path}: its folder does not exist; make it or choose another")
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:  # a name that is too long
        raise file_error(error, "write", f"{path.name[:40]}…") from error
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")


def check_json(target: str | None) -> None:
    """Refuse the target of ``--json`` when it cannot be written, before any work is done.

    Parameters
    ----------
    target : str or None
        A file, ``-`` for standard output, or None where the option was not given.

    Raises
    ------
    UserError
        When the file cannot be written.
    """
    if target is not None and target != "-":
        check_output(Path(target))


def emit_json(target: str | None, answer: Mapping[str, Any]) -> bool:
    """Write the answer of a command as strict JSON.

    A number that is not finite becomes ``null``. A file is written whole or not at all.

    Parameters
    ----------
    target : str or None
        A file, ``-`` for standard output, or None for no JSON.
    answer : mapping
        The answer, by key.

    Returns
    -------
    bool
        Whether the answer went to standard output.

    Raises
    ------
    UserError
        When the file cannot be written.
    """
    if target is None:
        return False
    if target == "-":
        answers().write(to_json(answer))
        answers().flush()
        return True
    try:
        write_json(Path(target), answer)
    except OSError as error:
        raise file_error(error, "write", target) from error
    return False

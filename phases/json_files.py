"""Reading back what commands wrote with ``--json``: one check for every option that takes such a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calque.data.errors import UserError
from calque.data.json_files import read_json as read_json_file

WRITERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "detect": ("phases detect CUBE", ("transitions", "lags")),
    "forecast": ("scaling forecast CUBE --size SIZE", ("rows", "size")),
    "power": ("scaling power STUDY", ("rows", "cheapest")),
    "loss": ("scaling loss CUBE", ("law", "isoflop")),
    "mixes": ("scaling mixes CUBE", ("contrasts",)),
    "plan": ("scaling plan --budget N", ("plans",)),
}
"""For each option the command that writes its file, and keys that no other command's file has all of."""


def read_json(kind: str, path: Path) -> dict[str, Any]:
    """Return the JSON report that a command wrote.

    Parameters
    ----------
    kind : str
        A key of ``WRITERS``.
    path : Path

    Raises
    ------
    UserError
        When the file is missing, no JSON, of another schema, or another command's.
    """
    command, keys = WRITERS[kind]
    writes = f"'{command} --json FILE'"
    try:
        found = read_json_file(path, f"the file of {writes}")
    except UserError as error:
        raise UserError(f"`{kind}`: {error}") from error
    if not isinstance(found, dict) or found.get("schema") != 1:
        raise UserError(f"`{kind}` {path}: expected an object with schema 1, as {writes} writes")
    lacking = [key for key in keys if key not in found]
    if lacking:
        other = [name for name, (_, theirs) in WRITERS.items() if name != kind and all(key in found for key in theirs)]
        hint = f"; it looks like a file for `{other[0]}`" if other else ""
        raise UserError(f"`{kind}` {path} has no '{lacking[0]}'; expected the file of {writes}{hint}")
    return found

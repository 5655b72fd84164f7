"""The formats by name, and which one a path looks like."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from calque.data.errors import UserError, nearest
from calque.phases.formats import delimited, parquet, trainer_state
from calque.phases.formats.base import LINES, Log, Request
from calque.phases.formats.files import check_kind, files_below
from calque.phases.formats.parsing import JsonError, parse_json

FORMATS: Mapping[str, str] = {
    "csv": "calque.phases.formats.delimited",
    "parquet": "calque.phases.formats.parquet",
    "tensorboard": "calque.phases.formats.tensorboard",
    "wandb": "calque.phases.formats.wandb",
    "lm-eval": "calque.phases.formats.harness.lm_eval",
    "trainer": "calque.phases.formats.trainer_state",
}
"""Name on the command line, and the module whose ``read`` reads it."""

PEEK = 65536
LOOKED_AT = 2000
"""Files of a folder that are opened to guess its format."""
PREFERRED = ("lm-eval", "trainer", "wandb", "parquet", "csv")
"""Which format a folder is taken for that holds files of several."""


def read(name: str, request: Request) -> Log:
    """Read ``request.path`` in the format called ``name``."""
    if name not in FORMATS:
        raise UserError(f"`format` is '{name}'; expected one of {', '.join(FORMATS)}" + nearest(name, tuple(FORMATS)))
    check_kind(request.path)
    log: Log = import_module(FORMATS[name]).read(request)
    return log


def guess(path: Path) -> str:
    """Return the name of the format that ``path`` looks like.

    Raises
    ------
    UserError
        When the path is missing or looks like none of them.
    """
    check_kind(path)
    found = _of_file(path) if path.is_file() else _of_folder(path)
    if found is None and path.suffix in (".nc", ".h5"):
        raise UserError(f"{path} is netCDF, which needs no import: phases detect {path}")
    if found is None and path.is_dir() and not any(path.iterdir()):
        raise UserError(f"{path} is an empty folder; expected logs of a training in it")
    if found is None:
        raise UserError(f"{path}: cannot tell what wrote this; give `format`: {', '.join(FORMATS)}")
    return found


def _of_folder(path: Path) -> str | None:
    files = files_below(path)
    if any("tfevents" in p.name for p in files):
        return "tensorboard"
    found = set()
    for file in [p for p in files if p.suffix and not p.name.startswith("samples_")][:LOOKED_AT]:
        found.add(_of_file(file))
        if PREFERRED[0] in found:
            break
    return next((name for name in PREFERRED if name in found), None)


def _of_file(path: Path) -> str | None:
    name = path.name.lower()
    if "tfevents" in name:
        return "tensorboard"
    if parquet.is_table(path):
        return "wandb" if "_step" in parquet.columns(path) else "parquet"
    if name.endswith(LINES):
        return "wandb"
    if name.endswith(".json"):
        return _of_json(path)
    if delimited.is_table(path) or not path.suffix or path.suffix.lower() == ".log":
        columns = _header(path)
        usual = name.endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz"))
        return "wandb" if _of_wandb(columns) else "csv" if usual or len(columns) > 1 else None
    return None


def _header(path: Path) -> tuple[str, ...]:
    try:
        return delimited.header(path)
    except UserError:
        return ()


def _of_wandb(columns: tuple[str, ...]) -> bool:
    there = set(columns)
    return "_step" in there or any(
        c.endswith("__MIN") and c.removesuffix("__MIN") in there and " - " in c for c in columns
    )


def _of_json(path: Path) -> str | None:
    with path.open(encoding="utf-8", errors="replace") as file:
        start = file.read(PEEK)
    if start.lstrip().startswith("["):
        return "wandb"
    if path.name == trainer_state.NAME or f'"{trainer_state.HISTORY}"' in start:
        return "trainer"
    if '"results"' in start:
        return "lm-eval"
    try:
        first = parse_json(start.splitlines()[0])
    except (JsonError, IndexError):
        return None
    return "wandb" if isinstance(first, dict) and "_step" in first else None

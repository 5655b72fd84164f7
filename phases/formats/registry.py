"""The formats by name, and which one a path looks like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from calque.data.errors import UserError, nearest
from calque.phases.formats.base import LINES, Log, Request

FORMATS: Mapping[str, str] = {
    "csv": "calque.phases.formats.delimited",
    "parquet": "calque.phases.formats.parquet",
    "tensorboard": "calque.phases.formats.tensorboard",
    "wandb": "calque.phases.formats.wandb",
    "lm-eval": "calque.phases.formats.lm_eval",
}
"""Name on the command line, and the module whose ``read`` reads it."""

TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PEEK = 65536


def read(name: str, request: Request) -> Log:
    """Read ``request.path`` in the format called ``name``."""
    if name not in FORMATS:
        raise UserError(f"`format` is '{name}'; expected one of {', '.join(FORMATS)}" + nearest(name, tuple(FORMATS)))
    if not request.path.exists():
        raise UserError(f"{request.path} is missing; expected a file or folder to import")
    log: Log = import_module(FORMATS[name]).read(request)
    return log


def guess(path: Path) -> str:
    """Return the name of the format that ``path`` looks like.

    Raises
    ------
    UserError
        When the path is missing or looks like none of them.
    """
    if path.is_file():
        found = _of_file(path)
    elif path.is_dir():
        found = _of_folder(path)
    else:
        raise UserError(f"{path} is missing; expected a CSV file with a header, or another log to import")
    if found is None and path.suffix in (".nc", ".h5"):
        raise UserError(f"{path} is netCDF, which needs no import: phases detect {path}")
    if found is None:
        raise UserError(f"{path}: cannot tell what wrote this; give `format`: {', '.join(FORMATS)}")
    return found


def _of_folder(path: Path) -> str | None:
    files = sorted(p for p in path.rglob("*") if p.is_file())
    if any("tfevents" in p.name for p in files):
        return "tensorboard"
    order = {"lm-eval": 0, "wandb": 1, "parquet": 2, "csv": 3}
    tables = [p for p in files if p.suffix and not p.name.startswith(("samples_", "."))]
    found = {_of_file(p) for p in tables}
    return min((f for f in found if f in order), key=lambda f: order[f or ""], default=None)


def _of_file(path: Path) -> str | None:
    name = path.name.lower()
    if "tfevents" in name:
        return "tensorboard"
    if name.endswith(TABLES):
        return "wandb" if _wandb_header(path) else "csv"
    if name.endswith((".parquet", ".pq")):
        return "wandb" if "_step" in _parquet_columns(path) else "parquet"
    if name.endswith(LINES):
        return "wandb"
    if name.endswith(".json"):
        return _of_json(path)
    return "csv" if path.suffix.lower() in ("", ".txt", ".dat", ".log") and len(_header(path)) > 1 else None


def _header(path: Path) -> tuple[str, ...]:
    from calque.phases.formats.delimited import header

    try:
        return header(path)
    except UserError:
        return ()


def _wandb_header(path: Path) -> bool:
    columns = _header(path)
    chart = any(c.endswith("__MIN") and c.removesuffix("__MIN") in columns and " - " in c for c in columns)
    return chart or {"_step", "_runtime"} <= set(columns) or {"_step", "_timestamp"} <= set(columns)


def _parquet_columns(path: Path) -> tuple[str, ...]:
    from calque.phases.formats.parquet import columns

    return columns(path)


def _of_json(path: Path) -> str | None:
    with path.open(encoding="utf-8", errors="replace") as file:
        start = file.read(PEEK)
    if start.lstrip().startswith("["):
        return "wandb"
    if '"results"' in start:
        return "lm-eval"
    try:
        return "wandb" if "_step" in json.loads(start.splitlines()[0]) else None
    except (ValueError, IndexError, TypeError):
        return None

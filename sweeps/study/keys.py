"""The page of all keys of a study file (docs/KEYS.md), made from the configuration's own types and docstrings.

``python -m calque.sweeps.study.keys > docs/KEYS.md`` writes it.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from calque.data.quantities import Count
from calque.data.strict_yaml.sections import alternatives, fields
from calque.models.config.sizes import SIZES
from calque.sweeps.study.bases import BASES
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.search import Search

HEAD = """\
# All keys of a study file

Made by `python -m calque.sweeps.study.keys`; do not edit. `sweeps plan STUDY` checks a file and starts nothing.

An editor with the YAML language server completes keys, shows this text and marks mistakes: the line
`# yaml-language-server: $schema=study.schema.json` names the JSON Schema (draft 7) by its path from the study file.
`sweeps init NAME` writes a study file with that line, and the schema beside it; `sweeps/study.schema.json` is the same.

A study file is YAML. A key is the word that is written before the colon. What looks like a date is text. A count may be
written as 5M, 1.5k or 37B. An unknown key is an error that names the nearest right one.

| key | what |
|---|---|
| `study` | The study's name: letters, digits, `-`, `_` and `.`. Required. |
| `about` | A sentence on what it is for. |
| `base` | The named base that runs differ from, `world-cpu` by default; a run may name its own. |
| `results` | Folder for results, or an address such as `s3://bucket/full`; by default `results/NAME`. |
| `defaults` | Keys of runs, for all runs of the file. |
| `search` | Draws the runs from one, and stops the worse ones before their end (keys below; docs/STUDY.md). |
| `runs` | `NAME: {...}` for every run: the keys in which it differs from the base and the defaults. Required. |
| `runs.NAME.from` | `{run: OTHER, step: N}`: a branch from a checkpoint of another run (docs/TRAINING.md). |
| `runs.NAME.seeds` | A list such as `[0, 1, 2]`: runs `NAME-s0` and so on, with this `init_seed` and `data_seed`. |

Everything below stands in a run or under `defaults`. A base sets other defaults than these (table at the end).
Sizes: {sizes}.
"""


def keys_page() -> str:
    """Return the page as Markdown."""
    parts = [
        HEAD.replace("{sizes}", ", ".join(f"`{name}`" for name in SIZES)),
        _section("A run", "", RunConfig, skip=("name", "branch")),
        _section("`search`", "search.", Search),
    ]
    for name, kind in get_type_hints(RunConfig).items():
        section = next((one for one in alternatives(kind) if fields(one)), None)
        if section is not None and name != "branch":
            parts += _sections(name, section)
    rows = [f"| `{name}` | {'; '.join(_flat(values))} |" for name, values in BASES.items()]
    parts.append("\n".join(["## The bases", "", "| base | sets |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


def _sections(name: str, kind: Any) -> list[str]:
    found = [_section(f"`{name}`", f"{name}.", kind)]
    for inner, annotation in get_type_hints(kind).items():
        below = next((one for one in alternatives(annotation) if fields(one)), None)
        if below is not None and inner in fields(kind):
            found += _sections(f"{name}.{inner}", below)
    return found


def _section(title: str, above: str, kind: Any, skip: tuple[str, ...] = ()) -> str:
    said, hints = described(kind), get_type_hints(kind, include_extras=True)
    rows = []
    for field in dataclasses.fields(kind):
        if field.name in skip:
            continue
        default = _default(field)
        rows.append(f"| `{above}{field.name}` | {_words(hints[field.name])} | {default} | {said.get(field.name, '')} |")
    first = (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")
    head = ["| key | value | by default | what |", "|---|---|---|---|"]
    return "\n".join([f"## {title}", "", _plain(first), "", *head, *rows, ""])


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return "none" if field.default is None else f"`{_written(field.default)}`"
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
        return "see below" if dataclasses.is_dataclass(made) else f"`{_written(made)}`"
    return "required"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    return str(value) if value != "" else "''"


def _words(kind: Any) -> str:
    if kind == Count:
        return "count"
    if get_origin(kind) is Annotated:
        return _words(get_args(kind)[0])
    several = alternatives(kind)
    if len(several) > 1 or several[0] is not kind:
        counts = any(part == Count for part in get_args(kind))
        return "count" if counts else " or ".join(_words(one) for one in several)
    origin = get_origin(kind)
    if origin is tuple:
        return f"list: {_words(get_args(kind)[0])}"
    if origin in (dict, Mapping):
        return "mapping"
    if fields(kind):
        return "keys, below"
    plain = {int: "whole number", float: "number", str: "word", bool: "yes or no"}
    return plain.get(kind) or ", ".join(map(str, get_args(kind)))


def described(kind: Any) -> dict[str, str]:
    """Return what the docstrings of a section and of its bases say of each attribute.

    Parameters
    ----------
    kind : type
        A section of the configuration.

    Returns
    -------
    dict of str to str
        A sentence or two in Markdown by attribute.
    """
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        doc = inspect.cleandoc(one.__doc__ or "") if one is not object else ""
        section = re.search(r"Attributes\n-+\n(.*?)(?=\n\n\w+\n-+\n|\Z)", doc, re.DOTALL)
        for entry in re.finditer(
            r"^(\S.*?) :.*\n((?:[ \n].*\n?)+)", (section[1] if section else "") + "\n", re.MULTILINE
        ):
            for name in entry[1].split(", "):
                found[name] = _plain(" ".join(entry[2].split()))
    return found


def _plain(text: str) -> str:
    return re.sub(r":\w+:`([^`]+)`", r"`\1`", text).replace("``", "`").replace("|", "\\|")


def _flat(values: dict[str, Any], above: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        found += _flat(value, f"{above}{key}.") if isinstance(value, dict) else [f"`{above}{key}: {value}`"]
    return found


if __name__ == "__main__":
    print(keys_page(), end="")

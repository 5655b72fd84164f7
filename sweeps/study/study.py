"""Study files: read strictly, each run stated as its difference from a named base."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import ValidationError

from calque.data.errors import UserError, nearest
from calque.sweeps.study.bases import BASES
from calque.sweeps.study.booleans import misplaced
from calque.sweeps.study.run_config import RunConfig, adapter, check_name
from calque.sweeps.study.yaml_lines import Place, read_yaml

STUDY_KEYS = ("study", "about", "base", "defaults", "runs", "results")
RESULTS = "CALQUE_RESULTS"
"""Environment variable: folder or ``fsspec`` address below which every study has its results."""
RUN_ONLY_KEYS = ("base", "seeds")
UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
"""What pydantic calls a key that it does not know."""


def is_address(place: str) -> bool:
    """Return whether a place is an ``fsspec`` address and no path."""
    return "://" in place


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study: its runs, in the order of the file.

    Attributes
    ----------
    name, about : str
        The study's name and what it is for.
    path : Path
        The file it came from.
    text : str
        The file's content, kept in the cube.
    runs : tuple of RunConfig
        Names are unique.
    results : str, optional
        Folder for results, relative to the working directory, or ``fsspec`` address.
    recorded : mapping of str to str
        Records of adaptive checkpoints (``calque.phases.adaptive.record``) by run, to be repeated rather than decided
        again.
    """

    name: str
    about: str
    path: Path
    text: str
    runs: tuple[RunConfig, ...]
    results: str | None = None
    recorded: Mapping[str, str] = field(default_factory=dict)

    @property
    def study_id(self) -> str:
        """Stable hash of the runs: whether a results folder belongs to this study."""
        values = [run.to_dict() for run in self.runs]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    def run(self, name: str) -> RunConfig:
        """Return the run of this name (or run id).

        Raises
        ------
        UserError
            When there is none.
        """
        for run in self.runs:
            if name in (run.name, run.run_id):
                return run
        names = [run.name for run in self.runs]
        raise UserError(
            f"study '{self.name}' has no run '{name}'; expected one of {', '.join(names)}{nearest(name, names)}"
        )

    def results_place(self, given: str | None) -> str:
        """Return where results go, an absolute path or an ``fsspec`` address.

        The first that is there of: ``given``; NAME below the environment's ``CALQUE_RESULTS``; the study's key; and
        ``results/NAME``.
        """
        root = os.environ.get(RESULTS, "").rstrip("/")
        place = given or (f"{root}/{self.name}" if root else self.results or f"results/{self.name}")
        return place if is_address(place) else str(Path(place).expanduser().absolute())

    def results_folder(self, given: str | None) -> Path:
        """Return the folder of results.

        Raises
        ------
        UserError
            When they are at an address.
        """
        place = self.results_place(given)
        if is_address(place):
            raise UserError(f"the results are at {place}; copy them here first, and name the folder with --results")
        return Path(place)


def read_study(path: str | Path) -> Study:
    """Read a study file.

    Raises
    ------
    UserError
        One line naming file, line, key, what came, what was expected and the nearest right key.
    """
    path = Path(path)
    content, lines = read_yaml(path)
    reader = _Reader(path, lines)
    if not isinstance(content, dict):
        raise reader.error((), f"is a {type(content).__name__}; expected keys {', '.join(STUDY_KEYS)}")
    reader.check_keys(content, (), STUDY_KEYS)
    name = content.get("study")
    if not isinstance(name, str) or not name:
        raise reader.error(("study",) if "study" in content else (), "'study' is missing; expected the study's name")
    try:
        check_name("study", name)
    except UserError as error:
        raise reader.error(("study",), str(error)) from None
    runs = content.get("runs")
    if not isinstance(runs, dict) or not runs:
        raise reader.error(
            ("runs",) if "runs" in content else (), "'runs' is missing; expected NAME: {...} for every run"
        )
    results = content.get("results")
    if results is not None and not isinstance(results, str):
        raise reader.error(
            ("results",), f"results is {results!r}; expected a folder or an address such as s3://bucket/full"
        )
    configs = [config for key, own in runs.items() for config in reader.runs(str(key), own or {}, content)]
    names = [config.name for config in configs]
    for config in configs:
        if names.count(config.name) > 1:
            raise reader.error(("runs",), f"run '{config.name}' occurs twice; rename one")
    about = str(content.get("about") or "")
    return Study(
        name=name, about=about, path=path, text=path.read_text(encoding="utf-8"), runs=tuple(configs), results=results
    )


class _Reader:
    def __init__(self, path: Path, lines: dict[Place, int]) -> None:
        self.path, self.lines = path, lines

    def error(self, place: Place, message: str) -> UserError:
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        return UserError(f"{self.path}:{self.lines.get(known, 1)}: {message}")

    def where(self, place: Place, keys: Place) -> Place:
        """Return where a run's value stands: with the run, or with the defaults."""
        parts = (keys[:n] for n in range(len(keys), 0, -1))
        return next((p for k in parts for p in ((*place, *k), ("defaults", *k)) if p in self.lines), (*place, *keys))

    def check_keys(self, mapping: dict[str, Any], place: Place, known: tuple[str, ...]) -> None:
        for key in mapping:
            if key not in known:
                raise self.error(
                    (*place, key), f"unknown key '{key}'; expected one of {', '.join(known)}{nearest(str(key), known)}"
                )

    def runs(self, name: str, own: Any, content: dict[str, Any]) -> list[RunConfig]:
        place: Place = ("runs", name)
        defaults = content.get("defaults") or {}
        for where, value in ((("defaults",), defaults), (place, own)):
            if not isinstance(value, dict):
                raise self.error(where, f"'{where[-1]}' is {value!r}; expected keys and values")
        base_place = (*place, "base") if "base" in own else ("base",)
        base = own.get("base", content.get("base", "world-cpu"))
        if base not in BASES:
            hint = nearest(str(base), list(BASES))
            raise self.error(base_place, f"unknown base '{base}'; expected one of {', '.join(BASES)}{hint}")
        seeds = own.get("seeds", defaults.get("seeds"))
        if seeds is not None:
            for key in ("init_seed", "data_seed"):
                if key in own:
                    raise self.error((*place, key), f"'seeds' sets init_seed and data_seed; drop seeds or {key}")
            if not isinstance(seeds, list) or not seeds or not all(type(s) is int and s >= 0 for s in seeds):
                raise self.error(
                    (*place, "seeds"), f"seeds is {seeds!r}; expected a list of whole numbers such as [0, 1, 2]"
                )
        merged = _merge(_merge(BASES[base], defaults), own)
        for key in RUN_ONLY_KEYS:
            merged.pop(key, None)
        if "name" in merged:
            raise self.error((*place, "name"), "unknown key 'name'; a run's name is its key under 'runs'")
        if seeds is None:
            return [self.config({**merged, "name": name}, place)]
        return [
            self.config({**merged, "name": f"{name}-s{seed}", "init_seed": seed, "data_seed": seed}, place)
            for seed in seeds
        ]

    def config(self, values: dict[str, Any], place: Place) -> RunConfig:
        boolean = misplaced(values, RunConfig)
        if boolean:
            keys, wanted = boolean
            dotted = ".".join(map(str, keys))
            raise self.error(self.where(place, keys), f"{dotted} is yes or no; expected {wanted}")
        try:
            return adapter().validate_python(values)
        except ValidationError as error:
            found = error.errors()
            first = next((e for e in found if e["type"] in UNKNOWN), found[0])  # it may be why another is missing
            keys = tuple(k for k in first["loc"] if not _is_type_tag(k))
            named = first["msg"].removeprefix("Value error, ").split(":")[0].split(" ")[0].split(".")
            if not keys and named[0] in _fields_at(()):  # a check of the whole run that names the key it is about
                keys = tuple(named) if (*place, *named) in self.lines else (named[0],)
            where = self.where(place, keys)
            dotted = ".".join(map(str, keys)) or "the run"
            if first["type"] in UNKNOWN:
                known = _fields_at(keys[:-1]) + (RUN_ONLY_KEYS if len(keys) == 1 else ())
                hint = nearest(str(keys[-1]), known)
                raise self.error(where, f"unknown key '{dotted}'; expected one of {', '.join(known)}{hint}") from None
            if first["type"] == "missing":
                raise self.error(where, f"{dotted} is missing") from None
            if first["type"] == "dataclass_type":
                wanted = ", ".join(_fields_at(keys))
                raise self.error(where, f"{dotted} is {first['input']!r}; expected values by name: {wanted}") from None
            message = first["msg"].removeprefix("Value error, ")
            given = (
                ""
                if isinstance(first["input"], dict) or first["type"] == "value_error"
                else f" (got {first['input']!r})"
            )
            prefix = "" if message.startswith(dotted) else f"{dotted}: "
            raise self.error(where, f"{prefix}{message}{given}") from None


def _is_type_tag(key: str | int) -> bool:
    return isinstance(key, str) and ("[" in key or key in ("str", "int", "constrained-int", "none"))


def _fields_at(keys: tuple[str | int, ...]) -> tuple[str, ...]:
    kind: Any = RunConfig
    for key in keys:
        if not dataclasses.is_dataclass(kind):
            return ()
        hint = get_type_hints(kind)[str(key)]
        kind = next((part for part in get_args(hint) if dataclasses.is_dataclass(part)), hint)
    names = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
    return tuple(name for name in names if name != "name" or keys)


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict) and key != "mix"
        merged[key] = _merge(merged[key], value) if both else value
    return merged

"""Study files: read strictly, each run stated as its difference from a named base."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from calque.data.errors import UserError, nearest, shown
from calque.data.strict_yaml.document import Document, Place, read_document
from calque.data.strict_yaml.sections import elsewhere, fields
from calque.data.strict_yaml.validation import TYPO, boolean_mistake, first_mistake
from calque.sweeps.study.bases import BASES
from calque.sweeps.study.run_config import RunConfig, adapter, check_name
from calque.sweeps.study.synonyms import synonym

STUDY_KEYS = ("study", "about", "base", "defaults", "runs", "results")
RESULTS = "CALQUE_RESULTS"
"""Environment variable: folder or ``fsspec`` address below which every study has its results."""
RUN_ONLY_KEYS = ("base", "seeds")


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

        Parameters
        ----------
        given : str, optional
            Folder or address from the command line, which goes before all others.

        Raises
        ------
        UserError
            When they are at an address.
        """
        place = self.results_place(given)
        if is_address(place):
            raise UserError(f"the results are at {place}; copy them here first, and name the folder with `results`")
        return Path(place)


def read_study(path: str | Path) -> Study:
    """Read a study file.

    Parameters
    ----------
    path : path
        A YAML file such as ``sweeps/quick.yaml``.

    Raises
    ------
    UserError
        One line naming file, line, key, what came, what was expected and the nearest right key.
    """
    document = read_document(path, "a study file such as sweeps/quick.yaml", STUDY_KEYS)
    reader, content = _Reader(document), document.content
    reader.check_keys(content, (), STUDY_KEYS)
    name = content.get("study")
    if not isinstance(name, str) or not name:
        raise document.error(("study",), "'study' is missing; expected the study's name")
    try:
        check_name("study", name)
    except UserError as error:
        raise document.error(("study",), str(error)) from None
    runs = content.get("runs")
    if not isinstance(runs, dict) or not runs:
        raise document.error(("runs",), "'runs' is missing; expected NAME: {...} for every run")
    results = content.get("results")
    if results is not None and not isinstance(results, str):
        raise document.error(
            ("results",), f"results is {shown(results)}; expected a folder or an address such as s3://bucket/full"
        )
    configs = [config for key, own in runs.items() for config in reader.runs(key, {} if own is None else own, content)]
    twice = next((name for name, count in Counter(config.name for config in configs).items() if count > 1), None)
    if twice is not None:
        raise document.error(("runs",), f"run '{twice}' occurs twice; rename one")
    about = content.get("about") or ""
    if not isinstance(about, str):
        raise document.error(("about",), f"about is {shown(about)}; expected a sentence, in quotes if need be")
    return Study(
        name=name, about=about, path=document.path, text=document.text, runs=tuple(configs), results=results
    )  # fmt: skip


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document

    def where(self, place: Place, keys: Place) -> Place:
        """Return where a run's value stands: with the run, or with the defaults."""
        lines = self.document.lines
        parts = (keys[:n] for n in range(len(keys), 0, -1))
        return next((p for k in parts for p in ((*place, *k), ("defaults", *k)) if p in lines), (*place, *keys))

    def check_keys(self, mapping: dict[str, Any], place: Place, known: tuple[str, ...]) -> None:
        for key in mapping:
            if key not in known:
                hint = nearest(key, known, TYPO) or synonym(key, "defaults.") or elsewhere(key, RunConfig)
                if key == "name":
                    hint = "; did you mean 'study'?"
                elif key in (*fields(RunConfig), *RUN_ONLY_KEYS):
                    hint = f"; did you mean 'defaults.{key}'?"
                hint = hint or nearest(key, known)
                message = f"unknown key '{key}'; expected one of {', '.join(known)}{hint}"
                raise self.document.error((*place, key), message)

    def runs(self, name: str, own: Any, content: dict[str, Any]) -> list[RunConfig]:
        error, place = self.document.error, ("runs", name)
        defaults = content.get("defaults")
        defaults = {} if defaults is None else defaults
        for where, value in ((("defaults",), defaults), (place, own)):
            if not isinstance(value, dict):
                raise error(where, f"'{where[-1]}' is {shown(value)}; expected keys and values")
        base_place = (*place, "base") if "base" in own else ("base",)
        base = own.get("base", content.get("base", "world-cpu"))
        if not isinstance(base, str) or base not in BASES:
            hint = nearest(base, list(BASES)) if isinstance(base, str) else ""
            raise error(base_place, f"unknown base {shown(base)}; expected one of {', '.join(BASES)}{hint}")
        seeds = own.get("seeds", defaults.get("seeds"))
        if seeds is not None:
            for key in ("init_seed", "data_seed"):
                if key in own:
                    raise error((*place, key), f"'seeds' sets init_seed and data_seed; drop seeds or {key}")
            if not isinstance(seeds, list) or not seeds or not all(type(s) is int and s >= 0 for s in seeds):
                message = f"seeds is {shown(seeds)}; expected a list of whole numbers such as [0, 1, 2]"
                raise error(self.where(place, ("seeds",)), message)
        merged = _merge(_merge(BASES[base], defaults), own)
        for key in RUN_ONLY_KEYS:
            merged.pop(key, None)
        if "name" in merged:
            raise error((*place, "name"), "unknown key 'name'; a run's name is its key under 'runs'")
        if seeds is None:
            return [self.config({**merged, "name": name}, place)]
        first = {"name": f"{name}-s{seeds[0]}", "init_seed": seeds[0], "data_seed": seeds[0]}
        checked = self.config(merged | first, place)  # what the others are checked for is the same
        return [replace(checked, name=f"{name}-s{seed}", init_seed=seed, data_seed=seed) for seed in seeds]

    def config(self, values: dict[str, Any], place: Place) -> RunConfig:
        mistake = boolean_mistake(values, RunConfig)
        if mistake is None:
            try:
                return adapter().validate_python(values)
            except ValidationError as error:
                line = partial(self._line, place)
                mistake = first_mistake(error, RunConfig, line, RUN_ONLY_KEYS, synonym)
        raise self.document.error(self.where(place, mistake.place), mistake.message)

    def _line(self, place: Place, keys: Place) -> int:
        return self.document.line(self.where(place, keys))


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict) and key != "mix"
        merged[key] = _merge(merged[key], value) if both else value
    return merged

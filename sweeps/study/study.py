"""Study files: read strictly, each run stated as its difference from a named base."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calque.data.errors import UserError, nearest, shown
from calque.data.strict_yaml.document import read_document
from calque.sweeps.study.drawing import draw_runs
from calque.sweeps.study.reader import StudyReader
from calque.sweeps.study.run_config import RunConfig, check_name
from calque.sweeps.study.search import Search, search_of

STUDY_KEYS = ("study", "about", "base", "defaults", "runs", "results", "search")
RESULTS = "CALQUE_RESULTS"
"""Environment variable: folder or ``fsspec`` address below which every study has its results."""


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
    search : Search, optional
        How the runs were drawn from one, and when the worse ones stop; None where all runs are as the file has them.
    drawn : mapping of str to mapping
        What was drawn for each run of a search, by dotted key.
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
    search: Search | None = None
    drawn: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
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

    def has(self, name: str) -> bool:
        """Return whether there is a run of this ``name``."""
        return any(run.name == name for run in self.runs)

    def parents(self) -> dict[str, RunConfig]:
        """Return the runs that others leave, by name."""
        left = {run.branch.run for run in self.runs if run.branch is not None}
        return {run.name: run for run in self.runs if run.name in left}

    def branch_steps(self, name: str) -> tuple[int, ...]:
        """Return the steps at which other runs leave the run ``name``, ascending."""
        return tuple(sorted({run.branch.step for run in self.runs if run.branch and run.branch.run == name}))

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
    reader, content = StudyReader(document), document.content
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
    search, drawn = None, dict[str, Mapping[str, Any]]()
    if "search" in content:
        search = search_of(content["search"], document.error)
        drawn_configs = draw_runs(reader, search, runs, content)
        configs = [config for config, _ in drawn_configs]
        drawn = {config.name: values for config, values in drawn_configs}
    else:
        configs = [one for key, own in runs.items() for one in reader.runs(key, {} if own is None else own, content)]
    twice = next((name for name, count in Counter(config.name for config in configs).items() if count > 1), None)
    if twice is not None:
        raise document.error(("runs",), f"run '{twice}' occurs twice; rename one")
    about = content.get("about") or ""
    if not isinstance(about, str):
        raise document.error(("about",), f"about is {shown(about)}; expected a sentence, in quotes if need be")
    return Study(
        name=name, about=about, path=document.path, text=document.text, runs=tuple(configs), results=results,
        search=search, drawn=drawn,
    )  # fmt: skip

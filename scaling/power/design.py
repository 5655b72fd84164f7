"""The design of a study, read from what describes it: a cube, a truth file, a plan's JSON or a study file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import yaml

from calque.data.errors import UserError, shown
from calque.scaling.run_values import run_labels, run_sizes, run_values

FORMS = "a study's YAML, the JSON of 'sweeps plan STUDY --json', a truth YAML or a cube"


@dataclass(frozen=True, kw_only=True)
class StudyDesign:
    """The design of a study; None where its source does not say.

    Attributes
    ----------
    seeds, mixes : int
        Runs of the largest size with one mix, and mixes.
    checkpoints, concepts, pairs : int or None
    n, d : float or None
        Parameters and tokens of the largest run.
    """

    seeds: int
    mixes: int
    checkpoints: int | None = None
    concepts: int | None = None
    pairs: int | None = None
    n: float | None = None
    d: float | None = None


def read_design(path: str) -> StudyDesign:
    """Read a design from any of the four.

    Parameters
    ----------
    path : str
        The file.

    Raises
    ------
    UserError
        When the file is none of them.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix in (".yaml", ".yml", ".json"):
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}; expected {FORMS}") from error
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise UserError(f"{path} is neither YAML nor JSON; expected {FORMS}") from error
        if isinstance(content, dict) and "law" in content and "sizes" in content:
            return _of_truth(path)
        try:
            if isinstance(content, dict) and "total" in content and isinstance(content.get("runs"), list):
                return _of_plan(content["runs"], path)
            if isinstance(content, dict) and isinstance(content.get("runs"), dict):
                return _of_study(content)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UserError(f"{path}: its runs are not those of a study ({shown(error)}); expected {FORMS}") from error
        raise UserError(f"{path} describes no study; expected {FORMS}")
    from calque.data import cube as cubes

    return of_cube(cubes.read(path))


def _of_plan(runs: list[dict[str, Any]], path: str) -> StudyDesign:
    if not runs:
        raise UserError(f"{path} plans no runs; expected {FORMS}")
    largest = max(runs, key=lambda r: r["flops"])
    same = [r for r in runs if r["size"] == largest["size"] and r["mix"] == largest["mix"]]
    return StudyDesign(
        seeds=len(same), mixes=len({r["mix"] for r in runs if r["size"] == largest["size"]}),
        checkpoints=int(largest["checkpoints"]), n=float(largest["n_params"]), d=float(largest["tokens"]),
    )  # fmt: skip


def _of_truth(path: str) -> StudyDesign:
    from calque.scaling.simulate.truth import read_truth

    truth = read_truth(path)
    largest = max(truth.sizes, key=lambda size: size.n_params_non_embedding)
    languages = len(truth.languages)
    return StudyDesign(
        seeds=len(truth.seed_list()), mixes=len(truth.mixes), checkpoints=truth.checkpoints.count,
        concepts=truth.concepts, pairs=languages * (languages - 1),
        n=largest.n_params or largest.n_params_non_embedding, d=truth.checkpoints.last,
    )  # fmt: skip


def _of_study(content: dict[str, Any]) -> StudyDesign:
    """Read what a study file says itself; sizes and tokens of its named bases are known to ``sweeps plan`` alone."""
    runs = [{**(content.get("defaults") or {}), **(run or {})} for run in content["runs"].values()]
    seeds = max((len(run["seeds"]) if isinstance(run.get("seeds"), list) else 1 for run in runs), default=1)
    return StudyDesign(seeds=seeds, mixes=len({str(run.get("mix", "uniform")) for run in runs}))


def of_cube(cube: xr.Dataset) -> StudyDesign:
    """Return the design of the largest runs of a cube, those that differ in their seeds alone.

    Parameters
    ----------
    cube : xarray.Dataset
        Validated.
    """
    large = run_sizes(cube)  # not n_params: vocabularies differ between corpora
    n = run_values(cube, "n_params")
    n = large if n is None else n.astype(float)
    unknown = [""] * cube.sizes["run"]
    labels = [run_labels(cube, name) or unknown for name in ("size", "mix", "corpus", "template")]
    if large is not None and "size" not in cube.variables:
        labels[0] = large.astype(str).tolist()
    kinds = list(zip(*labels, strict=True))
    alike = {kind: [i for i, other in enumerate(kinds) if other == kind] for kind in kinds}
    # the largest size, and where runs of it differ, what most of them are
    known = np.zeros(len(kinds)) if large is None else np.nan_to_num(large)
    own = max(alike.values(), key=lambda runs: (known[runs[0]], len(runs)))
    rest = kinds[own[0]][2:]
    runs = cube.isel(run=own)
    checkpoints, concepts, pairs = _asked(runs)
    size = math.nan if n is None else float(n[own[0]])
    return StudyDesign(
        seeds=len(own), mixes=len({kind[1] for kind in kinds if kind[2:] == rest}), checkpoints=checkpoints,
        concepts=concepts, pairs=pairs, n=size if math.isfinite(size) else None, d=float(runs["tokens"].max()),
    )  # fmt: skip


def _asked(runs: xr.Dataset) -> tuple[int, int | None, int | None]:
    """Return checkpoints, and the concepts and directed pairs that were asked of runs that are alike."""
    checkpoints = int(runs["tokens"].notnull().any("run").sum())
    if "translation_outcome" not in runs.variables:
        return checkpoints, None, None
    asked = (runs["translation_outcome"] >= 0).any(("run", "checkpoint"))
    apart = asked["source"] != asked["target"]
    if not bool((asked & apart).any()):
        return checkpoints, None, None
    pairs = (asked & apart).any("concept")
    return checkpoints, int(asked.any(("source", "target")).sum()), int(pairs.sum())

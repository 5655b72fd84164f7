"""The design of a study, read from what describes it: a cube, a truth file, a plan's JSON or a study file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data.errors import UserError

FORMS = "a study's YAML, the JSON of 'sweeps plan STUDY --json', a truth YAML or a cube"


@dataclass(frozen=True, kw_only=True)
class StudyDesign:
    """What power needs to know of a study; None where its source does not say.

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
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{path} is neither YAML nor JSON; expected {FORMS}") from error
        if isinstance(content, dict) and "total" in content and isinstance(content.get("runs"), list):
            return _of_plan(content["runs"], path)
        if isinstance(content, dict) and "law" in content and "sizes" in content:
            return _of_truth(path)
        if isinstance(content, dict) and isinstance(content.get("runs"), dict):
            return _of_study(content)
        raise UserError(f"{path} describes no study; expected {FORMS}")
    return _of_cube(path)


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
    from scaling.truth import read_truth

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


def _of_cube(path: str) -> StudyDesign:
    from data import cube as cubes

    cube = cubes.read(path)
    n = cube["n_params"] if "n_params" in cube.variables else cube.get("n_params_non_embedding")
    asked = "translation_outcome" in cube.variables
    pairs = cube.sizes["source"] * (cube.sizes["target"] - 1) if asked else None
    counts: dict[tuple[str, str], int] = {}
    for i in range(cube.sizes["run"]):
        key = tuple(str(cube[k].values[i]) if k in cube.variables else "" for k in ("size", "mix"))
        counts[key[0], key[1]] = counts.get((key[0], key[1]), 0) + 1
    return StudyDesign(
        seeds=max(counts.values()), mixes=len({mix for _, mix in counts}), checkpoints=cube.sizes["checkpoint"],
        concepts=cube.sizes["concept"] if asked else None, pairs=pairs,
        n=None if n is None else float(n.max()), d=float(cube["tokens"].max()),
    )  # fmt: skip

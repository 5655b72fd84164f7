"""A run repeated from a cube: its configuration stands in the cube, whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

from calque.data import cube
from calque.data.errors import UserError, nearest
from calque.phases.adaptive.record import designs_of
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import Study


def study_of_cube(path: str | os.PathLike[str], run: str) -> Study:
    """Return a study of this one run, as the cube has its configuration and the record of its adaptive checkpoints.

    Parameters
    ----------
    path : path
        A cube that ``sweeps`` wrote.
    run : str
        The run's name, or its id.

    Raises
    ------
    UserError
        When the cube has no such run, or was not written by ``sweeps``.
    """
    path = Path(path)
    read = cube.read(path)
    names = [str(name) for name in read["run"].values]
    if "config_json" not in read.variables:
        raise UserError(
            f"{path} does not say how its runs were made (no config_json); only cubes of sweeps can be repeated"
        )
    texts = dict(zip(names, map(str, read["config_json"].values), strict=True))
    ids = dict(zip(map(str, read["run_id"].values), names, strict=True)) if "run_id" in read.variables else {}
    name = ids.get(run, run)
    if name not in texts:
        raise UserError(f"{path} has no run '{run}'; expected one of {', '.join(names)}{nearest(run, names)}")
    try:
        config = RunConfig.from_dict(json.loads(texts[name]))
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: the configuration of run '{name}' cannot be read ({reason})") from None
    return Study(
        name=f"repeat-{config.name}", about=f"run '{name}' of {path.name}, repeated", path=path,
        text=str(read.attrs.get("study_yaml", "")), runs=(config,),
        recorded={run: design.to_json() for run, design in designs_of(read, str(path)).items() if run == name},
    )  # fmt: skip

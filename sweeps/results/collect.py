"""The cube of a study: the rows of all runs, joined; runs that cannot be read are named and left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import xarray as xr

from calque.data import cube
from calque.data.cube.anonymous import anonymous
from calque.data.cube.joining import concat_groups
from calque.data.cube.run_file import NAME, PARTS
from calque.data.errors import DiskError, UserError
from calque.sweeps.results.answers import collect_answers
from calque.sweeps.results.progress import run_folder
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import Study


class DamagedError(UserError):
    """Files that were written whole are damaged."""

    exit_code = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Collected:
    """What a results folder holds.

    Attributes
    ----------
    cube : xarray.Dataset
        Of all runs that have a checkpoint and can be read, in the study's order.
    groups : dict of str to xarray.Dataset
        Groups of the same rows: ``timing``, seconds by (run, checkpoint), and ``components`` where heads were probed.
    damaged : dict of str to str
        By run that is left out, the reason.
    """

    cube: xr.Dataset
    groups: dict[str, xr.Dataset]
    damaged: dict[str, str]

    @property
    def sizes(self) -> dict[str, int]:
        """The cube's dimensions."""
        return {str(name): size for name, size in self.cube.sizes.items()}

    def warnings(self) -> list[str]:
        """Return a line for every run that is left out, with the remedy."""
        return [f"run '{run}' is left out: {reason}; sweeps run mends it" for run, reason in self.damaged.items()]


def read_run(results: Path, run: RunConfig) -> tuple[xr.Dataset, dict[str, xr.Dataset]] | None:
    """Return the cube of one run and its groups; None while it has no checkpoint.

    Parameters
    ----------
    results : Path
        The results folder.
    run : RunConfig

    Raises
    ------
    UserError
        When the file is damaged or another run's.
    """
    path = run_folder(results, run) / NAME
    if not path.exists():
        return None
    found, groups = cube.read_with_groups(path, ("timing", *PARTS))
    if found.attrs.get("run_id") != run.run_id or list(map(str, found["run"].values)) != [run.name]:
        raise UserError(f"{path} is of run '{found['run'].values[0]}' ({found.attrs.get('run_id')})")
    if not {"step", "checkpoint_sha256"} <= set(found.variables):
        raise UserError(f"{path} has no steps and sums of its checkpoints")
    return found, groups


def collect(results: Path, study: Study) -> Collected:
    """Join the cubes of all runs that have at least one checkpoint.

    Parameters
    ----------
    results : Path
        The results folder.
    study : Study
        Its runs.

    Raises
    ------
    UserError
        When no run has one yet that can be read. A disk that fails is no damage of one run.
    """
    cubes, groups = [], []
    damaged: dict[str, str] = {}
    for run in study.runs:
        try:
            found = read_run(results, run)
        except DiskError:
            raise
        except UserError as error:
            damaged[run.name] = str(error).partition(";")[0]
            continue
        if found is not None:
            cubes.append(found[0])
            groups.append(found[1])
    if not cubes and damaged:
        raise DamagedError(f"no run can be read: {next(iter(damaged.values()))}; sweeps run {study.path} mends it")
    if not cubes:
        raise UserError(
            f"{results} has no checkpoint of study '{study.name}' yet; start it with: sweeps run {study.path}"
        )
    joined = cube.concat(cubes)
    joined.attrs |= {"study": study.name, "study_yaml": study.text, "title": study.about or study.name}
    united, _ = concat_groups(cubes, groups, joined)
    return Collected(cube=joined, groups=united, damaged=damaged)


def write_cube(study: Study, folder: Path, output: Path, *, anonymously: bool = False) -> Collected:
    """Collect the study's runs into the file ``output`` and return what was written.

    Parameters
    ----------
    study : Study
        Its runs.
    folder : Path
        The results folder.
    output : Path
        The cube to write.
    anonymously : bool
        Leave out what tells its maker (``calque.data.cube.anonymous``).

    Raises
    ------
    UserError
        As :func:`collect`, and when the file cannot be written.
    """
    found = collect(folder, study)
    if anonymously:
        found = replace(found, cube=anonymous(found.cube))
    cube.write(found.cube, output, found.groups)
    collect_answers(folder, study.runs, output)
    return found

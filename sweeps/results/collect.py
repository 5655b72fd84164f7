"""The results folder of a study: whose it is, and the cube of what is there."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from calque.data import cube
from calque.data.errors import UserError
from calque.data.json_files import read_json_if_there, write_json
from calque.sweeps.results.answers import collect_answers
from calque.sweeps.results.progress import run_folder
from calque.sweeps.study.study import Study


def claim(results: Path, study: Study) -> None:
    """Make the results folder this study's, or check that it is.

    Raises
    ------
    UserError
        When it holds another study's results; nothing is changed.
    """
    marker = results / "study.json"
    mine = {"study": study.name, "study_id": study.study_id, "runs": {r.name: r.run_id for r in study.runs}}
    if not marker.exists():
        if results.exists() and any(not p.name.startswith(".") for p in results.iterdir()):
            raise UserError(f"{results} holds files that no study wrote; choose an empty folder with `results`")
        results.mkdir(parents=True, exist_ok=True)
        write_json(marker, mine)
        return
    theirs = read_json_if_there(marker)
    if theirs is None:
        raise UserError(f"{marker} is damaged; choose another folder with `results`")
    if (theirs["study"], theirs["study_id"]) == (study.name, study.study_id):
        return
    changed = sorted(n for n, i in theirs["runs"].items() if mine["runs"].get(n) != i)  # type: ignore[attr-defined]
    if theirs["study"] == study.name and not changed:  # runs were added: what is there stays valid
        write_json(marker, mine)
        return
    what = f"run '{changed[0]}' differs" if theirs["study"] == study.name else f"it is of study '{theirs['study']}'"
    raise UserError(f"{results} holds results of another study ({what}); choose another folder with `results`")


def collect(results: Path, study: Study) -> xr.Dataset:
    """Return the cube of all runs that have at least one checkpoint, in the study's order.

    Parameters
    ----------
    results : Path
        The results folder.
    study : Study
        Its runs.

    Raises
    ------
    UserError
        When no run has one yet.
    """
    files = [run_folder(results, run) / "run.nc" for run in study.runs]
    cubes = [cube.read(file) for file in files if file.exists()]
    if not cubes:
        raise UserError(
            f"{results} has no checkpoint of study '{study.name}' yet; start it with: sweeps run {study.path}"
        )
    joined = cube.concat(cubes)
    joined.attrs |= {"study": study.name, "study_yaml": study.text, "title": study.about or study.name}
    return joined


def collect_timing(results: Path, study: Study) -> xr.Dataset | None:
    """Return the group ``timing`` of all runs: seconds and tokens/s by (run, checkpoint), or None.

    Parameters
    ----------
    results : Path
        The results folder.
    study : Study
        Its runs.
    """
    parts = []
    for run in study.runs:
        file = run_folder(results, run) / "run.nc"
        if file.exists() and cube.has_group(file, "timing"):
            timing = cube.read(file, "timing")
            parts.append(timing.assign_coords(run=[run.name], checkpoint=range(timing.sizes["checkpoint"])))
    return xr.concat(parts, "run", join="outer") if parts else None


def write_cube(study: Study, folder: Path, output: Path) -> dict[str, int]:
    """Collect the study's runs into ``output`` and return the cube's dimensions.

    Parameters
    ----------
    study : Study
        Its runs.
    folder : Path
        The results folder.
    output : Path
        The cube to write.
    """
    joined = collect(folder, study)
    timing = collect_timing(folder, study)
    if timing is not None:  # a run may have got a row between the two readings
        timing = timing.isel(checkpoint=slice(joined.sizes["checkpoint"]))
    cube.write(joined, output, {"timing": timing} if timing is not None else None)
    collect_answers(folder, study.runs, output)
    return {str(name): size for name, size in joined.sizes.items()}

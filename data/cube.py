"""The cube: every checkpoint's metrics of every run, in one netCDF-4 file (schema 1).

Dimensions are ``run``, ``checkpoint`` and, by variable, ``language``, ``source``, ``target``, ``concept``,
``phenomenon``. Item-level outcomes are stored and rates derived from them, so that concepts can be resampled as
the clusters they are. Each run has one writer, which rewrites its own file whole (see ``data.run_file``); a study's
cube is an eager concatenation of those files. Layout: docs/CUBE.md.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from data.errors import UserError, nearest
from data.files import replacing

SCHEMA = 1
NOT_ASKED = -1
OUTCOMES = ("wrong", "translated", "copied", "other_language")
OVERLAPS = ("none", "shared_token", "identical")
EXPOSURES = ("never_paired", "paired")
CHECKPOINT_FLAGS = ("duplicate_weights", "outlier", "not_finite")
CHECKPOINT_KINDS = ("planned", "further")
METRIC_KINDS = ("proportion", "count", "continuous")


def _flags(long_name: str, meanings: Sequence[str], missing: str) -> dict[str, Any]:
    values = np.arange(-1, len(meanings), dtype=np.int8)
    return {"long_name": long_name, "flag_values": values, "flag_meanings": " ".join((missing, *meanings))}


ATTRIBUTES: dict[str, dict[str, Any]] = {
    "tokens": {"units": "tokens", "long_name": "training tokens seen"},
    "step": {"units": "optimizer steps", "long_name": "optimizer steps taken"},
    "flops": {"units": "flop", "long_name": "training floating-point operations so far"},
    "loss": {"units": "nat/token", "long_name": "held-out cross-entropy", "metric_kind": "continuous"},
    "bits_per_byte": {
        "units": "bit/byte",
        "long_name": "held-out bits per byte",
        "metric_kind": "continuous",
    },
    "translation_outcome": _flags("outcome of asking for a word in another language", OUTCOMES, "not_asked"),
    "translation_logprob": {"units": "nat", "long_name": "log p(target word), summed over accepted forms"},
    "copy_logprob": {"units": "nat", "long_name": "log p(source word)"},
    "overlap": _flags("what source and target word share under the run's tokenizer", OVERLAPS, "no_such_item"),
    "exposure": _flags("whether training text pairs these two strings", EXPOSURES, "unknown"),
    "edit_similarity": {"units": "1", "long_name": "1 - edit distance / longer length, of source and target word"},
    "zipf_frequency": {"units": "1", "long_name": "log10 of uses of the word per billion words"},
    "script": {"long_name": "script of the language's text (ISO 15924)"},
    "minimal_pair_correct": {"units": "1", "long_name": "minimal pairs whose good member is more probable"},
    "minimal_pair_total": {"units": "1", "long_name": "minimal pairs asked"},
    "nonce_copied": {
        "units": "1",
        "long_name": "invented words repeated after a same-language prompt",
        "metric_kind": "count",
        "trials": "nonce_total",
    },
    "nonce_total": {"units": "1", "long_name": "invented words asked"},
    "checkpoint_sha256": {"long_name": "SHA-256 of the checkpoint's weights"},
    "revision": {"long_name": "name of the checkpoint where it was scored from"},
    "config_sha256": {"long_name": "SHA-256 of the checkpoint's configuration"},
    "commit": {"long_name": "commit of the revision, where it has one"},
    "checkpoint_flags": {
        "long_name": "doubts about the checkpoint",
        "flag_masks": np.array([1, 2, 4], np.int8),
        "flag_meanings": " ".join(CHECKPOINT_FLAGS),
    },
    "checkpoint_kind": _flags(
        "whether the checkpoint was planned, or taken near a transition", CHECKPOINT_KINDS, "unknown"
    ),
    "forecast_takeoff": {
        "units": "tokens",
        "long_name": "takeoff as it was forecast at this checkpoint, median; infinite beyond the run",
    },
    "forecast_takeoff_low": {"units": "tokens", "long_name": "5 % point of the takeoff as it was forecast"},
    "forecast_takeoff_high": {"units": "tokens", "long_name": "95 % point of the takeoff as it was forecast"},
    "adaptive_json": {"long_name": "how the run's further checkpoints were decided (JSON); empty where none were"},
    "share": {"units": "1", "long_name": "share of the language among training tokens"},
    "tokens_per_word": {"units": "1", "long_name": "tokens a word of the language's text (in zh, ja a character)"},
    "bytes_per_token": {"units": "byte", "long_name": "UTF-8 bytes a token of the language's text"},
}
"""CF-style attributes of the variables that schema 1 names."""

ENCODED_COUNTS = ("minimal_pair_correct", "minimal_pair_total", "nonce_copied", "nonce_total")


def describe(cube: xr.Dataset) -> xr.Dataset:
    """Return ``cube`` with the schema's attributes on the variables it holds, and the root attributes set.

    Attributes that are already there are kept.
    """
    cube = cube.copy()
    for name, attributes in ATTRIBUTES.items():
        if name in cube.variables:
            cube[name].attrs = {**attributes, **cube[name].attrs}
    stamp = datetime.now(UTC).isoformat(timespec="seconds")
    root = {
        "Conventions": "CF-1.11",
        "calque_schema": SCHEMA,
        "created": stamp,
        "code_version": code_version(),
    }
    cube.attrs = {**root, **cube.attrs}
    return cube


def code_version() -> str:
    """Return the installed version of Calque, or ``"unknown"`` when it runs uninstalled."""
    try:
        return version("calque")
    except PackageNotFoundError:
        return "unknown"


def write(cube: xr.Dataset, path: str | os.PathLike[str], groups: Mapping[str, xr.Dataset] | None = None) -> None:
    """Write a cube whole and atomically: to a temporary name beside ``path``, fsync, ``os.replace``.

    Parameters
    ----------
    cube : xarray.Dataset
        The root group; missing attributes are added (see :func:`describe`).
    path : path
        Where the file shall stand; whatever stood there is replaced only when the new file is complete.
    groups : mapping of str to xarray.Dataset, optional
        Further groups such as ``timing``.

    Raises
    ------
    UserError
        When the file cannot be written (disk full, no permission); nothing has changed then.
    """
    path = Path(path)
    cube = describe(cube).drop_encoding()  # a file's string lengths, for instance, would cut longer strings
    try:
        with replacing(path) as temporary:
            cube.to_netcdf(temporary, engine="netcdf4", encoding=_encoding(cube))
            for name, group in (groups or {}).items():
                plain = group.drop_encoding()
                plain.to_netcdf(temporary, engine="netcdf4", mode="a", group=name, encoding=_encoding(plain))
    except (OSError, RuntimeError) as error:  # netCDF4 reports a full disk as RuntimeError("NetCDF: HDF error")
        raise UserError(f"cannot write {path}: {_write_trouble(path, error)}") from error


def _write_trouble(path: Path, error: Exception) -> str:
    parent = next((folder for folder in path.parents if folder.exists()), Path("."))
    free = shutil.disk_usage(parent).free
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or free < 1 << 20:
        return f"the disk is full ({free / 1e6:.1f} MB free); free some space and run the same command again"
    return f"{error}; choose a folder that can be written"


def _encoding(cube: xr.Dataset) -> dict[str, dict[str, Any]]:
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in cube.variables.items():
        key = str(name)
        if key in ENCODED_COUNTS:
            encoding[key] = {"dtype": "int32", "_FillValue": np.int32(-1)}
        elif variable.dtype.kind == "f":
            encoding[key] = {"_FillValue": variable.dtype.type(np.nan)}
        elif variable.dtype.kind in "iu":
            encoding[key] = {"_FillValue": None}
        else:
            continue
        if variable.size > 512:
            encoding[key] |= {"zlib": True, "complevel": 1, "shuffle": True}
    return encoding


def read(path: str | os.PathLike[str], group: str | None = None) -> xr.Dataset:
    """Read a cube into memory and validate it.

    Parameters
    ----------
    path : path
        A netCDF file that holds at least ``tokens``.
    group : str, optional
        Read this group (``timing``, ``components``, ``ablations``) instead of the root; it is not validated.

    Raises
    ------
    UserError
        When the file is missing, truncated, no netCDF file, or breaks a rule of :func:`validate`.
    """
    path = Path(path)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "missing"
        raise UserError(f"{path} is {what}; expected a netCDF cube such as results.nc")
    try:
        cube = xr.load_dataset(path, engine="netcdf4", group=group)
    except (OSError, RuntimeError, KeyError, AttributeError, ValueError) as error:
        if group is not None:
            raise UserError(f"{path} holds no readable group '{group}'") from error
        raise UserError(
            f"{path} cannot be read as netCDF ({error}); the file is truncated or of another kind: "
            "write it again, or collect the study's runs again"
        ) from error
    return cube if group is not None else validate(cube, str(path))


def has_group(path: str | os.PathLike[str], group: str) -> bool:
    """Return whether the netCDF file at ``path`` holds ``group``."""
    import netCDF4

    with netCDF4.Dataset(path) as file:
        return group in file.groups


def validate(cube: xr.Dataset, origin: str = "the cube") -> xr.Dataset:
    """Check a cube at the boundary and return it with dimensions ``run`` and ``checkpoint``.

    A lone run may come without the dimension ``run``. ``tokens`` must be positive or zero and strictly increasing along
    ``checkpoint``; only the end of a ragged run may be missing (NaN).

    Raises
    ------
    UserError
        Naming the file, the variable, what came, what was expected and the remedy.
    """
    schema = cube.attrs.get("calque_schema", SCHEMA)
    if int(schema) != SCHEMA:
        raise UserError(f"{origin} has calque_schema {schema}; this version reads {SCHEMA}: install a matching one")
    if "tokens" not in cube.variables:
        names = ", ".join(map(str, list(cube.variables)[:8])) or "nothing"
        raise UserError(
            f"{origin} has no variable 'tokens' (it holds {names}); expected tokens(run, checkpoint): "
            "rename the training position to 'tokens'"
        )
    if "checkpoint" not in cube.dims:
        dims = ", ".join(map(str, cube["tokens"].dims)) or "none"
        raise UserError(f"{origin}: tokens has dimensions {dims}; expected (run, checkpoint)")
    if "run" not in cube.dims:
        name = str(cube["run"].item()) if "run" in cube.coords else "run"
        cube = cube.drop_vars("run", errors="ignore").expand_dims(run=[name])
    if "run" not in cube.coords:
        cube = cube.assign_coords(run=[f"run{i}" for i in range(cube.sizes["run"])])
    for name in ("tokens", "step", "flops"):
        if name in cube.coords:
            cube = cube.reset_coords(name)
    tokens = cube["tokens"]
    if set(tokens.dims) == {"checkpoint"}:
        cube["tokens"] = tokens = tokens.expand_dims(run=cube["run"])
    if set(tokens.dims) != {"run", "checkpoint"}:
        dims = ", ".join(map(str, tokens.dims))
        raise UserError(f"{origin}: tokens has dimensions ({dims}); expected (run, checkpoint)")
    if tokens.dtype.kind not in "iuf":
        raise UserError(f"{origin}: tokens has type {tokens.dtype}; expected numbers")
    _check_tokens(cube, origin)
    for key, variable in cube.data_vars.items():
        kind = variable.attrs.get("metric_kind")
        if kind is not None and kind not in METRIC_KINDS:
            raise UserError(
                f"{origin}: {key} has metric_kind '{kind}'; expected one of {', '.join(METRIC_KINDS)}"
                + nearest(str(kind), METRIC_KINDS)
            )
    return cube


def _check_tokens(cube: xr.Dataset, origin: str) -> None:
    for run in cube["run"].values:
        values = np.asarray(cube["tokens"].sel(run=run).transpose("checkpoint"), float)
        present = np.isfinite(values)
        if not present.any():
            raise UserError(f"{origin}: run '{run}' has no tokens at all; drop the run or fill them in")
        last = int(np.flatnonzero(present)[-1])
        if not present[: last + 1].all():
            hole = int(np.flatnonzero(~present[: last + 1])[0])
            raise UserError(
                f"{origin}: tokens of run '{run}' is NaN at checkpoint {hole}, before the run's end; "
                "expected a number: fill it in or drop that checkpoint"
            )
        values = values[: last + 1]
        if values[0] < 0:
            raise UserError(f"{origin}: tokens of run '{run}' starts at {values[0]:g}; expected 0 or more")
        wrong = np.flatnonzero(np.diff(values) <= 0)
        if wrong.size:
            i = int(wrong[0])
            raise UserError(
                f"{origin}: tokens of run '{run}' goes from {values[i]:.15g} to {values[i + 1]:.15g} at checkpoint "
                f"{i + 1}; expected strictly increasing: sort the checkpoints and drop duplicates"
            )


def concat(cubes: Sequence[xr.Dataset]) -> xr.Dataset:
    """Join cubes of single runs (or of several) along ``run``; coordinates are united, absences are missing.

    Variables without ``run`` (``overlap``, ``exposure``) stay so while all runs that hold an item agree on it, and get
    the dimension ``run`` otherwise.

    Raises
    ------
    UserError
        When no cube is given or a run occurs twice.
    """
    if not cubes:
        raise UserError("there is no run to collect yet; start the study first")
    runs = [str(run) for cube in cubes for run in cube["run"].values]
    twice = sorted({run for run in runs if runs.count(run) > 1})
    if twice:
        raise UserError(f"run '{twice[0]}' occurs twice; expected every run once: rename or drop one")
    cubes = [cube.assign_coords(checkpoint=np.arange(cube.sizes["checkpoint"])) for cube in cubes]
    static = {str(n) for c in cubes for n, v in c.data_vars.items() if "run" not in v.dims}
    moving = [c.drop_vars([n for n in static if n in c.variables]) for c in cubes]
    names = {str(n) for c in cubes for n, v in c.variables.items() if n in c.data_vars or "checkpoint" in v.dims}
    joined = xr.concat(
        moving, "run", join="outer", data_vars="all", coords="different", compat="equals",
        fill_value={n: _fill(n, cubes) for n in names}, combine_attrs="drop_conflicts",
    )  # fmt: skip
    for name in sorted(static):
        joined[name] = _join_static(name, [c for c in cubes if name in c.variables], joined)
    return joined


def _fill(name: str, cubes: Sequence[xr.Dataset]) -> Any:
    if name == "checkpoint_flags":
        return 0
    kind = next((c[name].dtype.kind for c in cubes if name in c.variables), "f")
    return {"f": np.nan, "i": NOT_ASKED, "u": 0, "b": False, "M": np.datetime64("NaT")}.get(kind, "")


def _join_static(name: str, cubes: Sequence[xr.Dataset], joined: xr.Dataset) -> xr.DataArray:
    parts = [cube[name] for cube in cubes]
    fill = _fill(name, cubes)
    aligned = xr.align(*parts, join="outer", fill_value=fill)
    indexers = {d: joined[d] for d in aligned[0].dims if d in joined.indexes}
    aligned = tuple(part.reindex(indexers, fill_value=fill) for part in aligned)
    united = aligned[0].copy()
    for part in aligned[1:]:
        known, here = _known(united, fill), _known(part, fill)
        if bool(((united != part) & known & here).any()):
            runs = [cube["run"].values for cube in cubes]
            spread = [part.expand_dims(run=run) for part, run in zip(aligned, runs, strict=True)]
            return xr.concat(spread, "run").reindex(run=joined["run"], fill_value=fill)
        united = united.where(known, part)
    return united.astype(parts[0].dtype).assign_attrs(parts[0].attrs)


def _known(part: xr.DataArray, fill: Any) -> xr.DataArray:
    return part.notnull() if part.dtype.kind == "f" else part != fill

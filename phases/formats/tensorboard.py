"""TensorBoard: a log folder whose sub-folders with event files are the runs; scalars, old style and new.

The files of one run are read in the order they were begun. A file that goes back to a step which an earlier one has
passed is a restart: from there on, what was written before is void. So is what lies beyond a restart that announces
itself (``purge_step``). Within a file steps rise; where they fall, nobody knows why.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.phases.formats.base import Array, Log, Request, along_steps, brief, check_known, counts_steps, need
from calque.phases.formats.files import files_below, natural
from calque.phases.formats.timeline import refuse_fall

LOADER = "tensorboard.backend.event_processing.event_file_loader"
FRAME = 16
"""Bytes of a record beside its data: length and its checksum before, the data's checksum after."""


@dataclass(eq=False)
class Run:
    """The scalars of one run: tag -> step -> value; and tags whose step fell within a file, with both steps.

    Of tags that are not wanted the first and the last step are kept: they tell whether a later file is a restart.
    """

    name: str
    wanted: frozenset[str]
    tags: dict[str, dict[int, float]] = field(default_factory=dict)
    fell: dict[str, tuple[int, int]] = field(default_factory=dict)
    rewritten: int = 0
    odd: dict[str, int] = field(default_factory=dict)


def read(request: Request) -> Log:
    """Return the steps at which any wanted tag was written, of all runs.

    Parameters
    ----------
    request : Request
        What to read; metrics are tags.

    Returns
    -------
    Log
        The rows.

    Raises
    ------
    UserError
        When there is no event file, or no run has a wanted tag.
    """
    path = request.path
    request.refuse("run", "the runs of a TensorBoard folder are its sub-folders")
    request.refuse("checkpoint", "TensorBoard logs the step")
    request.refuse("coord", "events hold no coordinates of runs; `run_pattern` takes them from the names of runs")
    request.refuse("shots", "only lm-eval tells shots")
    notes: list[str] = []
    extra = tuple(n for n in (request.tokens, request.trials_column) if n)
    wanted = frozenset((*request.metrics, *extra))
    runs = [_run(Run(name, wanted), files, request.join, notes) for name, files in _folders(path, notes).items()]
    known = sorted({tag for run in runs for tag in run.tags})
    if not known:
        raise UserError(f"{path} holds no scalar" + (f" ({notes[0]})" if notes else "") + "; expected a log folder")
    check_known((*request.metrics, *extra), known, str(path), "tag")
    used = [run for run in runs if any(m in run.tags for m in request.metrics)]
    for run in runs:
        if run not in used:
            notes.append(f"run '{brief(run.name)}' has none of the tags and is left out")
    rows = [(run.name, _rows(run, request, notes)) for run in used]
    names, parts = [n for n, p in rows if len(p[0])], [p for _, p in rows if len(p[0])]
    if not parts:
        raise UserError(f"{path}: no step has a value of {', '.join(request.metrics)}" + (
            f" and lies within those of '{request.tokens}'; give `tokens_per_step` instead" if request.tokens else ""
        ))  # fmt: skip
    trials: float | Array | None = request.trials_number
    if request.trials_column is not None:
        trials = np.concatenate([p[3] for p in parts])
    return Log(
        run=np.concatenate([np.full(len(p[0]), name, object) for p, name in zip(parts, names, strict=True)]),
        place=np.concatenate([p[1] for p in parts]),
        in_steps=request.tokens is None or counts_steps(request.tokens),
        step=None if request.tokens is None else np.concatenate([p[0] for p in parts]),
        values={m: np.concatenate([p[2][m] for p in parts]) for m in request.metrics},
        trials={} if trials is None else dict.fromkeys(request.metrics, trials), merge=True, notes=tuple(notes),
    )  # fmt: skip


def _rows(run: Run, request: Request, notes: list[str]) -> tuple[Array, Array, dict[str, Array], Array]:
    wanted = {m: run.tags.get(m, {}) for m in request.metrics}
    for tag in (*request.metrics, *(n for n in (request.tokens,) if n)):
        if tag in run.fell and not request.unsorted:
            before, after = run.fell[tag]
            refuse_fall(request, brief(run.name), before, after, by_step=True, columns=False)
    odd = sum(run.odd.get(tag, 0) for tag in (*request.metrics, request.tokens, request.trials_column) if tag)
    if odd:
        notes.append(f"run '{brief(run.name)}': {plural(odd, 'value')} of its tags that are no scalar left out")
    for m, values in wanted.items():
        if not values:
            notes.append(f"run '{brief(run.name)}' has no tag '{m}'; it is missing there")
        endless = [s for s, v in values.items() if np.isinf(v)]
        if endless:
            notes.append(f"run '{brief(run.name)}': {plural(len(endless), 'infinite value')} of '{m}' taken as missing")
            values.update(dict.fromkeys(endless, np.nan))
    if run.rewritten:
        notes.append(
            f"run '{brief(run.name)}' was restarted: {plural(run.rewritten, 'earlier value')} of its tags replaced "
            "or void"
        )
    step = np.array(sorted({s for values in wanted.values() for s, v in values.items() if np.isfinite(v)}), float)
    place = step
    if request.tokens is not None:
        place = _at(run, request.tokens, step, notes)
    trials = np.full(len(step), np.nan)
    if request.trials_column is not None:
        known = run.tags.get(request.trials_column, {})
        trials = np.array([known.get(int(s), np.nan) for s in step])
    keep = np.isfinite(place)
    if not keep.all():
        notes.append(
            f"run '{brief(run.name)}': {plural(int((~keep).sum()), 'step')} outside those of '{request.tokens}' left "
            "out"
        )
    values_of = {m: np.array([v.get(int(s), np.nan) for s in step], float)[keep] for m, v in wanted.items()}
    return step[keep], place[keep], values_of, trials[keep]


def _at(run: Run, tag: str, step: Array, notes: list[str]) -> Array:
    logged = {s: v for s, v in run.tags.get(tag, {}).items() if np.isfinite(v)}
    known = np.array(sorted(logged), float)
    place, between = along_steps(step, known, np.array([logged[int(s)] for s in known], float))
    if between:
        notes.append(
            f"run '{brief(run.name)}': '{tag}' at {plural(between, 'step')} is on the line between the steps that "
            "log it"
        )
    return place


def _folders(path: Path, notes: list[str]) -> dict[str, list[Path]]:
    """Return the event files by run: the folder they lie in, relative to ``path``."""
    files = [path] if path.is_file() else [p for p in files_below(path, notes) if "tfevents" in p.name]
    files = [p for p in files if not p.name.endswith(".profile-empty")]
    if not files:
        raise UserError(f"{path} holds no TensorBoard event file (…tfevents…); expected a log folder that is not empty")
    out: dict[str, list[Path]] = {}
    for file in files:
        name = path.parent.name if path.is_file() else file.parent.relative_to(path).as_posix()
        out.setdefault((path.resolve().name or "run") if name in (".", "") else name, []).append(file)
    return out


def _run(run: Run, files: list[Path], join: bool, notes: list[str]) -> Run:
    begun = {file: _begun(file) for file in files}
    for file in sorted(files, key=lambda f: (begun[f], natural(f.name))):
        _merge(run, file, join, notes)
    return run


def _begun(file: Path) -> float:
    return next((float(event.wall_time) for event in _events(file)), np.inf)


def _events(file: Path) -> Iterator[Any]:
    loader = need(LOADER, "TensorBoard event files")
    decoding = need("google.protobuf.message", "TensorBoard event files")
    try:
        yield from loader.LegacyEventFileLoader(str(file)).Load()
    except (decoding.DecodeError, MemoryError, OverflowError):
        return  # what follows is no record: the caller sees that the file goes on


def _merge(run: Run, file: Path, join: bool, notes: list[str]) -> None:
    """Add one file to its run, with what it makes void."""
    proto = need("tensorboard.compat.proto.event_pb2", "TensorBoard event files")
    here: dict[str, dict[int, float]] = {}
    last: dict[str, int] = {}
    n = 0
    for event in _events(file):
        n += 1
        step = int(event.step)
        if event.HasField("session_log") and event.session_log.status == proto.SessionLog.START:
            for tags in (run.tags, here):
                for tag, values in tags.items():
                    _void(run, tag, values, step)
            last = {tag: min(before, step - 1) for tag, before in last.items()}
        for value in event.summary.value:
            number = _number(value)
            if number is None:
                if value.WhichOneof("value") == "tensor":
                    run.odd[value.tag] = run.odd.get(value.tag, 0) + 1
                continue
            values = here.setdefault(value.tag, {})
            if step < last.get(value.tag, step):
                if join:
                    _void(run, value.tag, values, step)
                else:
                    run.fell.setdefault(value.tag, (last[value.tag], step))
            run.rewritten += value.tag in run.wanted and step in values
            values[step] = number
            last[value.tag] = step
            if value.tag not in run.wanted and len(values) > 2:
                del values[sorted(values)[1]]
    restart(run, here)
    left = file.stat().st_size - _end(file, n)
    if left > 0:
        notes.append(f"{file.name}: the last {left} bytes, after record {n}, are cut or damaged and are not read")


def restart(run: Run, here: dict[str, dict[int, float]]) -> None:
    """Add the scalars of a later file; where it goes back to a step that was passed, it voids all from there on.

    A tag that the later file has not yet written is void from the step to which the others went back: the largest of
    their first steps, because some tags (``hp_metric``) are written at step 0 by every start.

    Parameters
    ----------
    run : Run
        What earlier files hold; extended in place.
    here : dict
        The scalars of the later file, by tag and step.
    """
    back = [min(new) for tag, new in here.items() if run.tags.get(tag) and min(new) <= max(run.tags[tag])]
    for tag, values in run.tags.items():
        if tag in here:
            _void(run, tag, values, min(here[tag]))
        elif back:
            _void(run, tag, values, max(back))
    for tag, new in here.items():
        run.tags.setdefault(tag, {}).update(new)


def _void(run: Run, tag: str, values: dict[int, float], step: int) -> None:
    gone = [s for s in values if s >= step]
    run.rewritten += len(gone) * (tag in run.wanted)
    for s in gone:
        del values[s]


def _number(value: Any) -> float | None:
    """Return a scalar, whether written as a simple value or as a tensor of one number; None for anything else."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    if kind != "tensor" or any(dim.size != 1 for dim in value.tensor.tensor_shape.dim):
        return None
    tensors = need("tensorboard.util.tensor_util", "TensorBoard event files")
    try:
        array = np.asarray(tensors.make_ndarray(value.tensor))
    except (TypeError, ValueError, KeyError):  # a type that there is not, or content of another length
        return None
    return float(array.reshape(-1)[0]) if array.size == 1 and array.dtype.kind in "iuf" else None


def _end(file: Path, records: int) -> int:
    """Return where the first ``records`` records of a file end, in bytes."""
    at = 0
    with file.open("rb") as opened:
        for _ in range(records):
            opened.seek(at)
            (length,) = struct.unpack("<Q", opened.read(8))
            at += FRAME + length
    return at

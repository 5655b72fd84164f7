"""Mutated cubes: wrong types, dimensions, attributes and values, written by netCDF4 alone; damaged bytes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

import calque.phases.cli
import calque.scaling.cli
from tests.fuzz.frame import Attempt, refused_well, run_command

Rng = np.random.Generator
MAIN = {"phases": calque.phases.cli.main, "scaling": calque.scaling.cli.main}
RUNS, CHECKPOINTS, LANGUAGES, CONCEPTS = 2, 12, 3, 4
AT = ("run", "checkpoint")
ITEMS = ("source", "target", "concept")
QUICK = "--boot 19 --jobs 1 -q"
COMMANDS = (
    f"phases detect x.nc {QUICK}", f"phases detect x.nc {QUICK} --by target --metric copying",
    f"phases detect x.nc {QUICK} --by pair,mix --metric translation", f"phases detect x.nc {QUICK} --html r.html",
    f"phases pool x.nc {QUICK}", "phases acquisition x.nc -q", "phases edit x.nc -o o.nc -q",
    "phases explore x.nc --save e.html", "scaling fit x.nc --boot 19", "scaling mixes x.nc --boot 19",
    "scaling loss x.nc --at 1b --boot 19", "scaling power x.nc",
)  # fmt: skip
NUMBERS = (0, 1, -1, 3, 1e-300, 1e308, np.inf, -np.inf, np.nan, 2**63 - 1, -(2**63), 1e20, 0.5, -1e9)
WORDS = ("", "x", "nan", "\x1b[31m", "é" * 400, "a/b", "../..", "tokens", "1e999", " ", "\n", "run", "score")
ATTRIBUTES = (
    "calque_schema", "metric_kind", "trials", "scale_factor", "add_offset", "missing_value", "units", "calendar",
    "flag_values", "valid_min", "coordinates", "dtype", "_Unsigned", "truth_json", "adaptive_json", "study_yaml",
    "bounds", "grid_mapping", "valid_range",
)  # fmt: skip
MEANINGS = ("days since 2000-01-01", "proportion", "count", "score", [1, 2, 3], ["a", "b"])


class Variable:
    """One variable on its way into a file: name, type, dimensions, values, attributes."""

    def __init__(self, name: str, kind: Any, dims: tuple[str, ...], values: Any, **attributes: Any) -> None:
        self.name, self.kind, self.dims, self.attributes = name, kind, list(dims), attributes
        self.values: Any = np.asarray(values, object if kind is str else None)
        self.huge = False


def good() -> tuple[dict[str, int], list[Variable]]:
    """Return the dimensions and variables of a cube that every command reads."""
    rng = np.random.default_rng(0)
    rising = np.linspace(0, 1, CHECKPOINTS)
    tokens = np.geomspace(1e6, 1e9, CHECKPOINTS)
    shape = (RUNS, CHECKPOINTS, LANGUAGES, LANGUAGES, CONCEPTS)
    outcome = rng.random(shape) < rising[:, None, None, None]
    loss = 5 - 3 * rising[:, None] + rng.normal(0, 0.1, (RUNS, CHECKPOINTS, LANGUAGES))
    names = {"language": ["en", "de", "fi"], "source": ["en", "de", "fi"], "target": ["en", "de", "fi"],
             "concept": list("wxyz"), "run": ["a", "b"]}  # fmt: skip
    noise = rng.normal(size=(RUNS, CHECKPOINTS))
    logprob = rng.normal(size=shape) - 5 + 3 * rising[:, None, None, None]
    variables = [Variable(dim, str, (dim,), words) for dim, words in names.items()] + [
        Variable("tokens", "f8", AT, np.stack([tokens, tokens * 1.1]), units="tokens"),
        Variable("step", "i8", AT, np.stack([np.arange(CHECKPOINTS)] * RUNS)),
        Variable("acc", "f8", AT, np.clip(30 * rising + 5 * noise, 0, 99).round(), metric_kind="count", trials=100),
        Variable("score", "f8", AT, noise.cumsum(1), metric_kind="continuous"),
        Variable("loss", "f8", (*AT, "language"), loss, metric_kind="continuous"),
        Variable("translation_outcome", "i1", (*AT, *ITEMS), outcome.astype("i1")),
        Variable("translation_logprob", "f4", (*AT, *ITEMS), logprob),
        Variable("overlap", "i1", ITEMS, rng.integers(0, 3, shape[2:])),
        Variable("size", str, ("run",), ["70m", "160m"]),
        Variable("n_params_non_embedding", "i8", ("run",), [70_000_000, 160_000_000]),
        Variable("mix", str, ("run",), ["uniform", "uniform"]),
        Variable("checkpoint_flags", "i1", AT, np.zeros((RUNS, CHECKPOINTS), "i1")),
    ]  # fmt: skip
    return {dim: len(words) for dim, words in names.items()} | {"checkpoint": CHECKPOINTS}, variables


def some(rng: Rng, choices: Any) -> Any:
    """Return one of the choices as it is."""
    return choices[int(rng.integers(len(choices)))]


def other_type(rng: Rng, one: Variable, dims: dict[str, int]) -> None:
    kind = some(rng, ("i1", "i8", "u8", "f4", str, "S1", "u1"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            one.values = one.values.astype(str).astype(object) if kind is str else one.values.astype(kind)
        except (ValueError, OverflowError):
            one.values = np.zeros(one.values.shape, "i1").astype(kind)
    one.kind = kind


def other_values(rng: Rng, one: Variable, dims: dict[str, int]) -> None:
    one.values = np.array(one.values)
    for _ in range(int(rng.integers(1, 5))):
        place = tuple(int(rng.integers(size)) for size in one.values.shape)
        try:
            one.values[place] = some(rng, WORDS) if one.kind is str else some(rng, NUMBERS)
        except (OverflowError, ValueError):
            one.values[place] = 7
    if rng.random() < 0.3:
        one.values[...] = one.values.flat[0]


def other_attribute(rng: Rng, one: Variable, dims: dict[str, int]) -> None:
    one.attributes[some(rng, ATTRIBUTES)] = some(rng, NUMBERS + WORDS + MEANINGS)


def more_dimensions(rng: Rng, one: Variable, dims: dict[str, int]) -> None:
    dims["extra"] = 3
    one.dims.append("extra")
    one.values = np.stack([one.values] * 3, -1)


def fewer_dimensions(rng: Rng, one: Variable, dims: dict[str, int]) -> None:
    one.dims, one.values = one.dims[1:], np.asarray(one.values[0], one.values.dtype)


def transposed(rng: Rng, one: Variable, dims: dict[str, int]) -> None:
    one.dims, one.values = one.dims[::-1], one.values.T


def reversed_order(rng: Rng, one: Variable, dims: dict[str, int]) -> None:
    one.values = one.values[::-1] if rng.random() < 0.5 else one.values[..., ::-1]


def renamed(rng: Rng, one: Variable, dims: dict[str, int]) -> None:
    one.name = some(rng, ("x", "tokens2", "trials", "é", "translation", "copying", "loss2", "a b"))


def huge(rng: Rng, one: Variable, dims: dict[str, int]) -> None:
    dims["huge"] = int(some(rng, (10**9, 10**12, 2**40)))
    one.dims.append("huge")
    one.huge = True


CHANGES: tuple[Callable[[Rng, Variable, dict[str, int]], None], ...] = (
    other_type, other_values, other_values, other_attribute, other_attribute, more_dimensions, fewer_dimensions,
    transposed, reversed_order, renamed, huge,
)  # fmt: skip


def another_length(rng: Rng, dims: dict[str, int], variables: list[Variable]) -> None:
    """Give a dimension another length, zero included; values are repeated or cut."""
    dim, length = some(rng, list(dims)), some(rng, (0, 1, 2, 5))
    for one in variables:
        if dim in one.dims and not one.huge:
            axis = one.dims.index(dim)
            one.values = np.take(one.values, np.arange(length) % max(one.values.shape[axis], 1), axis)
    dims[dim] = length


def written(dims: dict[str, int], variables: list[Variable], attributes: dict[str, Any], compound: bool) -> bytes:
    """Return the bytes of the netCDF file."""
    file = netCDF4.Dataset("x.nc", "w", memory=1 << 16)
    for dim, length in dims.items():
        file.createDimension(dim, length)
    file.setncatts(attributes)
    for one in variables:
        stored = file.createVariable(one.name, one.kind, one.dims, zlib=one.huge and one.kind is not str)
        if not one.huge and one.values.size:
            stored[...] = one.values if one.values.ndim else one.values.item()
        stored.setncatts(one.attributes)
    if compound:
        pair = file.createCompoundType(np.dtype([("re", "f8"), ("im", "f8")]), "pair")
        file.createVariable("complex", pair, AT)
    return bytes(file.close())


def damaged(rng: Rng, data: bytes) -> bytes:
    """Return a file with some bytes changed, and sometimes its end lost."""
    raw = bytearray(data)
    for _ in range(int(rng.integers(1, 20))):
        raw[int(rng.integers(len(raw)))] = int(rng.integers(256))
    return bytes(raw[: int(rng.integers(len(raw)))] if rng.random() < 0.3 else raw)


def make(rng: Rng) -> Attempt:
    """Return a mutated cube and a command that reads it: an answer, or one line and exit 2."""
    dims, variables = good()
    attributes: dict[str, Any] = {"calque_schema": 1}
    labels = []
    for _ in range(int(rng.integers(1, 3))):
        what = int(rng.integers(len(CHANGES) + 4))
        if what < len(CHANGES):
            change, one = CHANGES[what], some(rng, variables)
            if one.values.ndim and not one.huge:
                change(rng, one, dims)
                labels.append(change.__name__)
        elif what == len(CHANGES):
            another_length(rng, dims, variables)
            labels.append("another_length")
        elif what == len(CHANGES) + 1:
            attributes[some(rng, ATTRIBUTES)] = some(rng, NUMBERS + WORDS + MEANINGS)
            labels.append("root_attribute")
        elif what == len(CHANGES) + 2:
            variables.remove(some(rng, variables))
            labels.append("missing_variable")
        else:
            labels.append("compound")
    names = [one.name for one in variables]
    variables = [one for i, one in enumerate(variables) if one.name not in names[:i]]
    data = written(dims, variables, attributes, "compound" in labels)
    if rng.random() < 0.1:
        data, labels = damaged(rng, data), ["damaged"]
    words = some(rng, COMMANDS).split()

    def check(folder: Path) -> str | None:
        ran = run_command(MAIN[words[0]], [str(folder / w) if "." in w and not w[0].isdigit() else w for w in words])
        if ran.code == 0:
            return f"a warning: {ran.error[:200]!r}" if "Warning" in ran.error else None
        return refused_well(ran)

    return Attempt(label=labels[0] if labels else "unchanged", files={"x.nc": data}, check=check)

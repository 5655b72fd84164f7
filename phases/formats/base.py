"""What every reader of a log takes and returns: a request, and a tidy table of runs, positions and metrics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calque.data.errors import UserError, escaped, nearest

Array = NDArray[np.float64]
SHOWN = 12
NEAREST = 2000
"""Names among which the nearest is looked for."""
LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
STEPS = re.compile(r"(.*[^a-z])?(steps?|iters?|iterations?|updates?)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to read from a log.

    Attributes
    ----------
    path : Path
        File or folder.
    metrics : tuple of str
        Columns, tags or ``task/metric`` names, as the tool that wrote the log calls them.
    tokens : str, optional
        Column or tag of the training position; without it the tool's own step.
    tokens_per_step : float, optional
        What turns the position from steps into tokens; None where it is in tokens already.
    trials : str, optional
        Column or tag of the trials behind each value, or a number.
    run : str, optional
        Column that names the run.
    checkpoint : re.Pattern, optional
        Finds the position in names, with group ``step`` or ``tokens``, and perhaps ``run``.
    shots : int, optional
        lm-eval: only results with this number of shots.
    join : bool
        Whether runs whose names differ only in a number at their end are one training that was resumed.
    unsorted : bool
        Whether the order of rows means nothing.
    coord : mapping of str to str
        Columns that hold one value a run, by the name of the coordinate that they become.
    """

    path: Path
    metrics: tuple[str, ...]
    tokens: str | None = None
    tokens_per_step: float | None = None
    trials: str | None = None
    run: str | None = None
    checkpoint: re.Pattern[str] | None = None
    shots: int | None = None
    join: bool = False
    unsorted: bool = False
    coord: Mapping[str, str] = field(default_factory=dict)

    @property
    def trials_number(self) -> float | None:
        """The trials when they are a number rather than a column."""
        return positive_number(self.trials)

    @property
    def trials_column(self) -> str | None:
        """The trials when they are a column rather than a number."""
        return None if self.trials_number is not None else self.trials

    def refuse(self, option: str, why: str) -> None:
        """Refuse an option that a format does not use.

        Parameters
        ----------
        option : str
            Name of the attribute.
        why : str
            Why the format does not need it.

        Raises
        ------
        UserError
            When the option was given.
        """
        if getattr(self, option) not in (None, {}):
            raise UserError(f"`{option}` has no use here: {why}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """A tidy table, one row for every run and checkpoint, in the order of the log.

    Attributes
    ----------
    run : array of str, shape (n,)
        Name of the run.
    place : array, shape (n,)
        Position in training; no NaN, no infinity.
    in_steps : bool
        Whether ``place`` counts steps rather than tokens.
    step : array, shape (n,), optional
        Optimizer steps where ``place`` is in tokens and the log knows both.
    values : mapping of str to array, shape (n,)
        One array a metric; NaN where a checkpoint lacks it.
    trials : mapping of str to (array, shape (n,), or float)
        Trials behind the metrics that have them.
    continuous : frozenset of str
        Metrics known to be no proportion, wherever their values lie.
    coordinates : mapping of str to array of str, shape (n,)
        What else the rows tell of their run; empty where they do not.
    ordered : bool
        Whether the order of the rows is that in which training went; if not, names told the positions.
    merge : bool
        Whether two rows at one place may agree on a value; if not, they must not both have it.
    notes : tuple of str
        What was left out, merged or supposed, one sentence each.
    """

    run: NDArray[np.object_]
    place: Array
    in_steps: bool
    values: Mapping[str, Array]
    step: Array | None = None
    trials: Mapping[str, Array | float] = field(default_factory=dict)
    continuous: frozenset[str] = frozenset()
    coordinates: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    ordered: bool = True
    merge: bool = False
    notes: tuple[str, ...] = ()


class Reader(Protocol):
    """A module of ``calque.phases.formats``."""

    def read(self, request: Request) -> Log:
        """Return the log at ``request.path``; UserError where it cannot be used."""


def positive_number(text: str | None) -> float | None:
    """Return ``text`` as a positive number, or None if it is none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def counts_steps(name: str) -> bool:
    """Return whether a column is called step, global_step, trainer/global_step, iteration or the like.

    Parameters
    ----------
    name : str
        Name of a column or tag.

    Returns
    -------
    bool
        Whether its name says that it counts steps.
    """
    return STEPS.fullmatch(name.strip()) is not None


def need(module: str, what: str) -> ModuleType:
    """Import a module of an optional package.

    Parameters
    ----------
    module : str
        Name of the module, such as ``pyarrow.dataset``.
    what : str
        What it is needed for, in the message.

    Returns
    -------
    module
        The module.

    Raises
    ------
    UserError
        When the package is not installed; the message says how to install it.
    """
    package = module.split(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != package:
            raise
        raise UserError(
            f'reading {what} needs the package {package}, which is not installed: pip install "calque[formats]"'
        ) from error


def check_known(wanted: Iterable[str], known: Sequence[str], where: str, what: str) -> None:
    """Refuse names that a log does not have.

    Parameters
    ----------
    wanted : iterable of str
        Names that were asked for.
    known : sequence of str
        Names that the log has.
    where : str
        The log, in the message.
    what : str
        Kind of name, such as ``column`` or ``tag``.

    Raises
    ------
    UserError
        For the first unknown name, with the known names and the nearest.
    """
    there = set(known)
    for name in wanted:
        if name not in there:
            raise UserError(
                f"{brief(where, 80)} has no {what} '{brief(name)}'; it has {listing(known, 100)}{near(name, known)}"
            )


def near(name: str, known: Sequence[str]) -> str:
    """Return a question after the known name that is nearest, as ``nearest`` does, of the first 2000 names.

    Parameters
    ----------
    name : str
        The unknown name.
    known : sequence of str
        Names that there are.
    """
    return nearest(brief(name), [brief(one) for one in known[:NEAREST]])


def listing(names: Sequence[str], longest: int = 160) -> str:
    """Return names with commas between: the first dozen, or as many as ``longest`` characters hold."""
    out: list[str] = []
    for name in map(brief, names[:SHOWN]):
        if out and len(", ".join((*out, name))) > longest:
            break
        out.append(name)
    more = f" and {len(names) - len(out)} more" if len(names) > len(out) else ""
    return (", ".join(out) or "none") + more


def brief(name: str, longest: int = 60) -> str:
    """Return a name for a message, escaped; of more than ``longest`` characters, without its middle."""
    if len(name) > longest:
        name = f"{name[: longest // 2]}…{name[-(longest // 2 - 1) :]}"
    return escaped(name)


def along_steps(step: Array, known_step: Array, known: Array) -> tuple[Array, int]:
    """Interpolate a quantity at other steps than it was logged at, linearly between its neighbours.

    Parameters
    ----------
    step : array, shape (n,)
        Where it is wanted.
    known_step, known : arrays, shape (m,)
        Where it was logged, sorted, and its values.

    Returns
    -------
    tuple of (array, shape (n,), int)
        NaN before the first and after the last logged step; and how many values are interpolated.
    """
    if not len(known_step):
        return np.full(len(step), np.nan), 0
    out = np.interp(step, known_step, known, left=np.nan, right=np.nan)
    return out, int((np.isfinite(out) & ~np.isin(step, known_step)).sum())

"""What every reader of a log takes and returns: a request, and a tidy table of runs, positions and metrics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calque.data.errors import UserError, nearest

Array = NDArray[np.float64]
SHOWN = 12
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
    """

    path: Path
    metrics: tuple[str, ...]
    tokens: str | None = None
    tokens_per_step: float | None = None
    trials: str | None = None
    run: str | None = None
    checkpoint: re.Pattern[str] | None = None

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
        if getattr(self, option) is not None:
            raise UserError(f"`{option}` has no use here: {why}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """A tidy table, one row for every run and checkpoint, in any order.

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
    merge : bool
        Whether two rows at one place are parts of one checkpoint (they must not contradict each other).
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
    for name in wanted:
        if name not in known:
            raise UserError(f"{where} has no {what} '{name}'; it has {listing(known)}" + nearest(name, list(known)))


def listing(names: Sequence[str]) -> str:
    """Return names with commas between, the first dozen only."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more


def few(n: int, what: str) -> str:
    """Return a number and its noun, such as ``1 row`` or ``2 rows``.

    Parameters
    ----------
    n : int
        The number.
    what : str
        The noun in the singular; its plural ends in s.

    Returns
    -------
    str
        The text.
    """
    return f"{n} {what}{'s' * (n != 1)}"


def finite(values: pd.Series[Any], name: str, notes: list[str]) -> Array:
    """Return a column of a tool's own log as numbers; what is no finite number becomes NaN, with a note.

    Parameters
    ----------
    values : pandas.Series
        The column.
    name : str
        Its name in notes.
    notes : list of str
        Notes for the user; extended in place.

    Returns
    -------
    array, shape (n,)
        Numbers; NaN where a cell holds none.
    """
    found = pd.to_numeric(values, errors="coerce").to_numpy(float, na_value=np.nan)
    endless = np.isinf(found)
    if endless.any():
        notes.append(f"{name}: {few(int(endless.sum()), 'infinite value')} taken as missing")
    odd = np.isnan(found) & values.notna().to_numpy() & (values.astype(str).str.lower() != "nan").to_numpy()
    if odd.any():
        example = values[odd].iloc[0]
        notes.append(f"{name}: {few(int(odd.sum()), 'cell')} without a number, such as '{example}', taken as missing")
    return np.where(endless, np.nan, found)


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

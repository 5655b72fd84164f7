"""How runs are split into parts: by dimensions of the metrics, and by what is known of each run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import xarray as xr

from calque.data.errors import UserError, nearest, shown
from calque.data.metrics import ITEM_DIMS, METRICS, STORED_AS

PAIR = ("source", "target")
ALWAYS = ("run", "pair")
NEVER = ("run", "checkpoint")
"""Dimensions that every series has."""
LISTED = 12
LONGEST = 60
"""Letters of a run's value that can name a part."""


@dataclass(frozen=True)
class Group:
    """A part of a run.

    Attributes
    ----------
    names : tuple of (str, str)
        What distinguishes it, such as ``("source", "en")``: first what is known of the run, then dimensions.
    at : tuple of (str, int)
        Positions along the dimensions that it is a part of.
    """

    names: tuple[tuple[str, str], ...] = ()
    at: tuple[tuple[str, int], ...] = ()

    @property
    def label(self) -> str:
        """The part as text; empty for the whole run."""
        return " ".join(f"{name}={value}" for name, value in self.names)

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions that it is a part of."""
        return tuple(dim for dim, _ in self.at)

    def within(self, dims: Iterable[object]) -> dict[str, int]:
        """Return its positions along those of some dimensions that it is a part of.

        Parameters
        ----------
        dims : iterable of str
            Dimensions of a variable.
        """
        have = set(map(str, dims))
        return {dim: i for dim, i in self.at if dim in have}


def dims_of(cube: xr.Dataset, name: str) -> tuple[str, ...]:
    """Return the dimensions of a metric besides run and checkpoint, in the order of the cube.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube, or one run of it.
    name : str
        A metric, or a variable.
    """
    if name in METRICS and METRICS[name].items is not None:
        return ITEM_DIMS
    variable = STORED_AS.get(name, name)
    if variable not in cube.variables:
        return ()
    return tuple(str(d) for d in cube[variable].dims if d not in NEVER)


def splits_of(cube: xr.Dataset, metrics: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return by what runs can be split: what is known of each run, and dimensions of some metric.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    metrics : sequence of str
        Names of metrics and variables.
    """
    known = tuple(
        str(name)
        for name, v in cube.variables.items()
        if v.dims == ("run",) and name != "run" and v.dtype.kind in "biufSUO" and not str(name).endswith("_json")
    )
    return known, tuple(dict.fromkeys(dim for name in metrics for dim in dims_of(cube, name)))


def checked(cube: xr.Dataset, by: Sequence[str], metrics: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the run's properties and the dimensions among ``by``, in the order of labels.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    by : sequence of str
        How to split: run (always), pair (source and target), a property of runs, a dimension.
    metrics : sequence of str
        All metrics and variables of the cube.

    Raises
    ------
    UserError
        For a name that is none of these.
    """
    known, dims = splits_of(cube, metrics)
    may = tuple(dict.fromkeys((*ALWAYS[:1], *known, *dims, *(ALWAYS[1:] if set(PAIR) <= set(dims) else ()))))
    for name in by:
        if name not in may:
            more = f" and {len(may) - LISTED} more" if len(may) > LISTED else ""
            asked, listed = shown(name), ", ".join(may[:LISTED])
            raise UserError(
                f"`by` has {asked}, and the cube is not split by {asked[1:-1]}; leave it out of `by`, or choose from "
                f"{listed}{more}{nearest(name, may)}"
            )
    wanted = [part for name in by for part in (PAIR if name == "pair" else (name,))]
    properties = sorted({p for p in wanted if p in known and p not in dims}, key=_order(wanted, ("size", "mix")))
    along = sorted({d for d in wanted if d in dims}, key=_order(wanted, PAIR))
    for name in properties:
        longest = max((len(_value(v)) for v in cube[name].values), default=0)
        if longest > LONGEST:
            raise UserError(f"`by` has '{name}', whose values have up to {longest} letters; expected short labels")
    return tuple(properties), tuple(along)


def groups(
    one: xr.Dataset, properties: Sequence[str], along: Sequence[str]
) -> list[Group]:  # fmt: skip
    """Return the parts of one run.

    Parameters
    ----------
    one : xarray.Dataset
        One run of a cube.
    properties : sequence of str
        What is known of the run and belongs to the labels.
    along : sequence of str
        Dimensions to split by.
    """
    prefix = tuple((name, _value(one[name].item())) for name in properties)
    labels = {dim: label_of(one, dim) for dim in along}
    return [
        Group(
            prefix + tuple((dim, labels[dim][i]) for dim, i in zip(along, at, strict=True)),
            tuple(zip(along, at, strict=True)),
        )
        for at in product(*(range(one.sizes.get(dim, 0)) for dim in along))
    ]


def label_of(cube: xr.Dataset, dim: str) -> list[str]:
    """Return the names of the positions along a dimension: its coordinate's values, or numbers.

    Parameters
    ----------
    cube : xarray.Dataset
        A cube, or one run of it.
    dim : str
        The dimension.
    """
    if dim in cube.coords:
        return [_value(v) for v in cube[dim].values]
    return [str(i) for i in range(cube.sizes.get(dim, 0))]


def with_parts(found: xr.Dataset, parts: Mapping[str, Mapping[str, str]]) -> xr.Dataset:
    """Return a dataset over ``group`` with what each group stands for as coordinates along it.

    Parameters
    ----------
    found : xarray.Dataset
        With the dimension group, or without where nothing was split.
    parts : mapping of str to mapping
        What distinguishes each group, by its label.
    """
    names = dict.fromkeys(name for one in parts.values() for name in one)
    if "group" not in found.dims:
        return found
    labels = [parts.get(str(label), {}) for label in found["group"].values]
    free = [name for name in names if name not in found.variables and name not in found.dims]
    return found.assign_coords({name: ("group", [one.get(name, "") for one in labels]) for name in free})


def averaged_over(cube: xr.Dataset, metrics: Sequence[str], along: Sequence[str]) -> dict[str, list[str]]:
    """Return the dimensions that each metric is averaged over (counts: summed over) within a series.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    metrics : sequence of str
        Names of metrics and variables.
    along : sequence of str
        Dimensions that runs are split by.
    """
    out = {}
    for name in metrics:
        over = [d for d in dims_of(cube, name) if d not in along and cube.sizes.get(d, 0) > 1]
        if over:
            out[name] = over
    return out


def averaging_note(over: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the sentence that says what was averaged over; none where nothing was.

    Parameters
    ----------
    over : mapping of str to sequence of str
        Dimensions by metric, from :func:`averaged_over`.
    """
    by_dims: dict[tuple[str, ...], list[str]] = {}
    for name, dims in over.items():
        by_dims.setdefault(tuple(dims), []).append(name)
    parts = [f"{_and(names)} over {_and(dims)}" for dims, names in by_dims.items()]
    return (f"each series is a mean: {'; '.join(parts)} (`by` splits them)",) if parts else ()


def _and(words: Sequence[str]) -> str:
    shown = list(words) if len(words) <= LISTED else [*words[:LISTED], f"{len(words) - LISTED} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _order(wanted: Sequence[str], first: Sequence[str]) -> Callable[[str], int]:
    """Return a key of sorting: the usual names in their usual order, then others as asked."""
    rank = {name: i for i, name in enumerate(dict.fromkeys((*first, *wanted)))}
    return rank.__getitem__


def _value(value: object) -> str:
    """Return a coordinate's value as the text of a label; whole numbers without a decimal point."""
    number = isinstance(value, float | np.floating)
    return f"{float(value):.12g}" if number else str(value)  # type: ignore[arg-type]

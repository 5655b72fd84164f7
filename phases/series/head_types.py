"""Types of heads: those whose score is above its control, chosen on other prompts than they are measured on.

A head is of a type when, at the run's last checkpoint that was probed, its score is above its control (adjusted p-value
below 1 - level) by ``LEAST`` or more on the prompts that decide. Its score is of the others, at every checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from calque.phases.generators import generator

GROUP = "components"
"""Group of a cube with scores over (run, checkpoint, layer, head)."""
LEAST = 0.1
"""A head is of a type only where its score is this much above its control: a convention."""
DRAWS = 999
"""Sets of other heads, as many heads each, whose range is told beside a type's score."""
LISTED = 6
Array = NDArray[np.float64]


@dataclass(frozen=True)
class HeadType:
    """The heads of one type in one run, at its last checkpoint that was probed.

    Attributes
    ----------
    run, probe : str
    heads : tuple of (int, int)
        Layer and head of each.
    all : int
        Heads of the model.
    score, low, high : float
        Their mean score, with an interval over prompts; NaN where there are no heads, or no prompts.
    other, other_low, other_high : float
        The same for as many other heads at random: mean, and range of the level's share of sets.
    """

    run: str
    probe: str
    heads: tuple[tuple[int, int], ...]
    all: int
    score: float
    low: float
    high: float
    other: float
    other_low: float
    other_high: float

    def sentence(self) -> str:
        """Return what the type is, as a note."""
        name = f"{GROUP}/{self.probe}_heads of run {self.run}"
        if not self.heads:
            return f"{name}: none of {self.all} heads is above its control by {LEAST:g} at the last checkpoint"
        listed = ", ".join(f"{layer}.{head}" for layer, head in self.heads[:LISTED])
        more = f" and {len(self.heads) - LISTED} more" if len(self.heads) > LISTED else ""
        prompts = f" ({self.low:.2f} to {self.high:.2f} over prompts)" if np.isfinite(self.low) else ""
        others = f"; as many others at random {self.other:.2f} ({self.other_low:.2f} to {self.other_high:.2f})"
        return (
            f"{name}: {len(self.heads)} of {self.all} (layer.head {listed}{more}), mean score at the last checkpoint "
            f"{self.score:.2f}{prompts}{others if np.isfinite(self.other) else ''}"
        )


def last_probed(group: xr.Dataset, name: str, run: int) -> int | None:
    """Return the last checkpoint of a run at which a score was probed; None where it never was.

    Parameters
    ----------
    group : xarray.Dataset
        The group ``components`` of a cube.
    name : str
        The score.
    run : int
        Position of the run.
    """
    there = group[name].isel(run=run).notnull().any(("layer", "head")).values
    return int(np.flatnonzero(there)[-1]) if there.any() else None


def of_type(group: xr.Dataset, name: str, run: int) -> NDArray[np.bool_]:
    """Return which heads are of a type, shape (layers, heads).

    Parameters
    ----------
    group : xarray.Dataset
        The group ``components`` of a cube.
    name : str
        The score.
    run : int
        Position of the run.
    """
    last = last_probed(group, name, run)
    if last is None:
        return np.zeros((group.sizes["layer"], group.sizes["head"]), bool)
    at = group.isel(run=run, checkpoint=last)
    above = at[f"{name}_deciding"] - at[f"{name}_control"] >= LEAST
    return np.asarray((at[f"{name}_p_adjusted"] < 1 - float(group.attrs["level"])) & above)


def described(group: xr.Dataset, name: str, run: int) -> HeadType:
    """Return a type of a run with its mean score, the interval over prompts, and other heads at random.

    Parameters
    ----------
    group : xarray.Dataset
        The group ``components`` of a cube.
    name : str
        The score.
    run : int
        Position of the run.
    """
    label, chosen = str(group["run"].values[run]), of_type(group, name, run)
    last, level, none = last_probed(group, name, run), float(group.attrs["level"]), float("nan")
    if last is None:
        return HeadType(label, name, (), 0, none, none, none, none, none, none)
    scores = group[name].isel(run=run, checkpoint=last).values.astype(float)
    there = np.isfinite(scores)
    heads = tuple((int(layer), int(head)) for layer, head in np.argwhere(chosen))
    low = high = other = other_low = other_high = none
    if heads and f"{name}_by_prompt" in group:
        by_prompt = group[f"{name}_by_prompt"].isel(run=run, checkpoint=last).values[chosen].astype(float).mean(0)
        half = stats.sem(by_prompt) * stats.t.ppf((1 + level) / 2, len(by_prompt) - 1)
        low, high = by_prompt.mean() - half, by_prompt.mean() + half
    rest = scores[there & ~chosen]
    if heads and len(rest):
        drawn = _random_means(rest, len(heads), f"{label}\x1f{name}")
        other, (other_low, other_high) = rest.mean(), np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    mean = float(scores[chosen].mean()) if heads else none
    return HeadType(label, name, heads, int(there.sum()), mean, low, high, other, other_low, other_high)


def _random_means(rest: Array, count: int, key: str) -> Array:
    """Return the mean scores of sets of ``count`` heads, drawn without replacement where there are enough."""
    draw, enough = generator(0, "head types", key), count <= len(rest)
    return np.array([draw.choice(rest, count, replace=not enough).mean() for _ in range(DRAWS)])

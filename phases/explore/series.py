"""The lines of the curves' picture: scores over tokens of runs, whole or in parts, with binomial bands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import xarray as xr

from calque.data.metrics import ITEM_LOGPROBS, METRICS, STANDARD, STORED_AS, TRIALS_OF
from calque.phases.explore.items import Items, Totals
from calque.phases.series.axis import Array
from calque.phases.series.clusters import design_effect
from calque.phases.series.metric_series import variable
from calque.phases.series.metrics import analysable, available
from calque.phases.series.parts import Group
from calque.phases.series.trajectory import Trajectory

WHOLE, PAIR = "whole", "pair"
Z = 1.959964


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreLine:
    """One line: a metric of a run, or of a part of it.

    Attributes
    ----------
    run, part, metric : str
        Names; the part is empty for a whole run.
    tokens, value : array, shape (n,)
        Positions and scores.
    trials : callable, optional
        Returns how many independent trials each score is of, (n,); None where the score is no count.
    """

    run: str
    part: str
    metric: str
    tokens: Array
    value: Array
    trials: Callable[[], Array] | None = None

    @property
    def share(self) -> bool:
        """Whether the score is a share of items."""
        return self.trials is not None

    @cached_property
    def band(self) -> tuple[Array, Array] | None:
        """Lower and upper ends of a pointwise binomial band, computed when they are drawn; None without trials."""
        return None if self.trials is None else wilson(self.value, self.trials())


def band_words(shares: Iterable[ScoreLine], items: Items) -> str:
    """Return what the bands of lines are: those of single items take concepts as clusters, those of a log cannot.

    Parameters
    ----------
    shares : iterable of ScoreLine
        Lines with a band.
    items : Items
        The cube's item metrics.
    """
    kinds = {line.metric in items.metrics for line in shares}
    apart = "; those of single items clustered by concept"
    return "95 % binomial" + (apart if len(kinds) > 1 else ", clustered by concept" if True in kinds else "")


def wilson(share: Array, n: Array) -> tuple[Array, Array]:
    """Return the lower and upper ends of the 95 % Wilson score interval of ``share`` (m,) of ``n`` (m,) trials."""
    spread = Z**2 / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z * np.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def metrics_of(cube: xr.Dataset, items: Items) -> list[str]:
    """Return the names of all metrics that can be drawn, the standard ones first.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    items : Items
        Its item metrics.
    """
    stored = {name: held for name, held in STORED_AS.items() if name in STANDARD}
    hidden = {*ITEM_LOGPROBS, *stored.values(), *TRIALS_OF.values(), "checkpoint_flags"}
    standard = [name for name in STANDARD if name in items.metrics or name in stored and name in available(cube)]
    return [*standard, *(name for name in analysable(cube) if name not in hidden)]


def parts_of(cube: xr.Dataset, items: Items) -> list[str]:
    """Return the ways to split a run: whole, source, target, pair, groups of items, other dimensions of metrics.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    items : Items
        Its item metrics.
    """
    ways = [WHOLE]
    if items.metrics:
        ways += ["source", "target", PAIR, *items.groupings]
    other = {str(d) for name in analysable(cube) for d in cube[name].dims} - {"run", "checkpoint", "source", "target"}
    return [*ways, *sorted(other - {"concept"})]


def pair_label(source: str, target: str) -> str:
    """Return the name of the directed pair of ``source`` and ``target``, such as en → de."""
    return f"{source} → {target}"


def series_of(
    cube: xr.Dataset, items: Items, run: int, metric: str, split: str = WHOLE, part: str | None = None
) -> Iterator[ScoreLine]:
    """Yield the lines of one metric of one run; none where the metric cannot be split in this way.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    items : Items
        Its item metrics.
    run : int
        Position of the run.
    metric : str
        Name of the metric.
    split : str
        One of :func:`parts_of`.
    part : str, optional
        This part alone.
    """
    tokens = np.asarray(cube["tokens"].isel(run=run).transpose("checkpoint"), float)
    name = str(cube["run"].values[run])
    if metric in METRICS and METRICS[metric].items is not None:
        for label, read in _item_parts(items, run, metric, split, part):
            if read().n.any():
                yield _of_items(name, label, metric, tokens, read)
        return
    stored = STORED_AS.get(metric, metric)
    dims = set(map(str, cube[stored].dims)) - {"run", "checkpoint"}
    trials = str(cube[stored].attrs.get("trials", TRIALS_OF.get(stored, "")))
    one = cube[[name for name in (stored, trials) if name in cube.variables]].isel(run=run).load()
    if split == WHOLE:
        pieces = [("", one)]
    elif split in dims:
        labels = cube[split].values if split in cube.coords else range(cube.sizes[split])
        pieces = [(str(label), one.isel({split: [i]})) for i, label in enumerate(labels)]
    else:
        return
    for label, piece in pieces:
        if part is not None and label != part:
            continue
        found = _of_trajectory(variable(piece, name, tokens, Group(), stored), label, metric)
        if len(found.tokens):
            yield found


def _item_parts(
    items: Items, run: int, metric: str, split: str, only: str | None = None
) -> Iterator[tuple[str, Callable[[], Totals]]]:
    wanted = (lambda label: True) if only is None else (lambda label: label == only)
    if split == WHOLE:
        yield "", partial(items.by_concept, run, metric)
    elif split in ("source", "target"):
        for i, label in enumerate(items.labels(split)):
            source, target = (i, None) if split == "source" else (None, i)
            if wanted(label):
                yield label, partial(items.by_concept, run, metric, source=source, target=target)
    elif split == PAIR:
        asked = items.mask(run, metric).any(-1)
        sources, targets = items.labels("source"), items.labels("target")
        for s, t in np.argwhere(asked).tolist():
            if wanted(label := pair_label(sources[s], targets[t])):
                yield label, partial(items.by_concept, run, metric, source=s, target=t)
    elif split in items.groupings:
        labels = items.groups(split)
        for label in filter(wanted, np.unique(labels[labels != ""]).tolist()):
            yield label, partial(items.by_concept, run, metric, group=(split, label))


def _of_items(run: str, part: str, metric: str, tokens: Array, read: Callable[[], Totals]) -> ScoreLine:
    """Return a line of sums over items; what its band needs is read again when the band is drawn."""
    totals = read()
    n = totals.n.sum(1)
    keep = np.isfinite(tokens) & (n > 0)
    value = totals.total.sum(1)[keep] / n[keep]

    def trials() -> Array:
        totals = read()
        of = np.flatnonzero(totals.n.any(0))
        # the design effect depends on concepts alone: sums over their items can take the place of single items
        effect = design_effect(totals.total[:, of], totals.n[:, of], of)  # type: ignore[arg-type]
        return np.asarray(np.maximum(n[keep] / effect, 1.0))

    counted = None if metric in ITEM_LOGPROBS else trials
    return ScoreLine(run=run, part=part, metric=metric, tokens=tokens[keep], value=value, trials=counted)


def _of_trajectory(t: Trajectory, part: str, metric: str) -> ScoreLine:
    value = -t.y if t.falls else t.y
    trials = (lambda: np.asarray(t.effective_trials)) if t.counts else None
    return ScoreLine(run=t.run, part=part, metric=metric, tokens=t.tokens, value=value, trials=trials)

"""The curves of ``learning_rate``: where each is lowest, how steep it is, the table and the picture.

The best learning rate of a curve is the lowest point of the parabola through its lowest measured point and the two
neighbours, in log2 of the learning rate, curves averaged over seeds; the range beside it is that of the single seeds.
The lowest point is flat and moves with the seed, so the table also has the **shoulder**: the smaller learning rate at
which the loss is 0.1 nats above the lowest, on the straight line between measured points, where the curve is steep.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATES = tuple(1.25e-3 * 2.0**k for k in range(6))
BASE = (64, 3)
ABOVE = 0.1


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training: its place in the grid, and the loss (nats/token) once it is known; None when it diverged."""

    parametrisation: str
    width: int
    layers: int
    learning_rate: float
    seed: int
    loss: float | None = None

    @property
    def place(self) -> tuple[str, int, int, float, int]:
        """What tells this run from others."""
        return self.parametrisation, self.width, self.layers, self.learning_rate, self.seed


def best(rates: np.ndarray, losses: np.ndarray) -> tuple[float, bool]:
    """Return log2 of the best learning rate of a curve, and whether it lies within the grid."""
    x, i = np.log2(rates), int(np.nanargmin(losses))
    if i in (0, len(x) - 1) or not np.isfinite(losses[i - 1 : i + 2]).all():
        return float(x[i]), False
    a, b, _ = np.polyfit(x[i - 1 : i + 2] - x[i], losses[i - 1 : i + 2], 2)
    return float(x[i] - b / (2 * a)), True


def shoulder(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return log2 of the learning rate below the best at which the loss is ``ABOVE`` its lowest; NaN off the grid."""
    x, i, level = np.log2(rates), int(np.nanargmin(losses)), np.nanmin(losses) + ABOVE
    below = [k for k in range(i) if losses[k] >= level > losses[k + 1]]
    if not below:
        return math.nan
    k = below[-1]
    return float(x[k] + (losses[k] - level) / (losses[k] - losses[k + 1]) * (x[k + 1] - x[k]))


Curves = dict[tuple[str, int, int], np.ndarray]


def curves(runs: list[Run]) -> Curves:
    """Return the losses by (parametrisation, width, layers), each of shape (seeds, rates); the base is in both.

    What diverged, or is not yet there, is NaN; a seed with less than three losses is left out.
    """
    known = {run.place: math.nan if run.loss is None else run.loss for run in runs}
    seeds = sorted({run.seed for run in runs})
    found: Curves = {}
    for rule in ("completep", "standard"):
        for width, layers in sorted({(run.width, run.layers) for run in runs}):
            trained = "completep" if (width, layers) == BASE else rule
            rows = np.array(
                [[known.get((trained, width, layers, rate, seed), math.nan) for rate in RATES] for seed in seeds]
            )
            enough = np.isfinite(rows).sum(1) >= 3
            if enough.any():
                found[rule, width, layers] = rows[enough]
    return found


def markdown(found: Curves) -> str:
    """Return the table: where each curve is lowest, its shoulder, what the base's best learning rate costs there."""
    rates, base = np.array(RATES), np.nanmean(found["completep", *BASE], 0)
    lines = [
        "| parametrisation | width | layers | seeds | best learning rate | single seeds | steps of 2 from the base's | "
        "shoulder | single seeds | steps of 2 from the base's | lowest loss | loss at the base's best |",
        "|" + "---|" * 12,
    ]
    for (rule, width, layers), losses in found.items():
        mean = np.nanmean(losses, 0)
        place, within = best(rates, mean)
        cells = [rule, str(width), str(layers), str(len(losses))]
        cells += [
            f"{2**place:.2e}" + ("" if within else ", the grid's end"),
            span(best(rates, row)[0] for row in losses),
        ]
        cells += [f"{place - best(rates, base)[0]:+.2f}"]
        cells += [f"{2 ** shoulder(rates, mean):.2e}", span(shoulder(rates, row) for row in losses)]
        cells += [f"{shoulder(rates, mean) - shoulder(rates, base):+.2f}"]
        cells += [f"{np.nanmin(mean):.3f}", f"{mean[int(np.nanargmin(base))]:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def span(places: Iterable[float]) -> str:
    """Return the range of log2 learning rates, as learning rates; one that is NaN lies below the grid."""
    values = [2**place for place in places]
    low = "below the grid" if any(map(math.isnan, values)) else f"{min(values):.2e}"
    return f"{low} to {np.nanmax(values):.2e}"


def picture(found: Curves, path: Path) -> None:
    """Draw loss over learning rate: a row for widths and one for depths, a column for each parametrisation."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = ["width"] + (["layers"] if any(shape[2] != BASE[1] for shape in found) else [])
    figure, axes = plt.subplots(len(rows), 2, figsize=(9, 3.6 * len(rows)), sharex=True, sharey="row", squeeze=False)
    for row, varied in zip(axes, rows, strict=True):
        for axis, rule in zip(row, ("completep", "standard"), strict=True):
            shapes = [s for s in found if s[0] == rule and (s[2] == BASE[1] if varied == "width" else s[1] == BASE[0])]
            for shape, colour in zip(shapes, plt.get_cmap("viridis")(np.linspace(0, 0.85, len(shapes))), strict=True):
                losses = found[shape]
                name = shape[1] if varied == "width" else shape[2]
                mean = np.nanmean(losses, 0)
                axis.plot(RATES, mean, "-", color=colour, label=f"{varied} {name}")
                axis.plot(np.tile(RATES, len(losses)), losses.ravel(), ".", color=colour, markersize=3)
                axis.plot(RATES[int(np.nanargmin(mean))], np.nanmin(mean), "o", color=colour)
            axis.set_xscale("log", base=2)
            axis.set_xticks(RATES, [f"{rate:.2g}" for rate in RATES], rotation=30)
            lowest = min(float(np.nanmin(np.nanmean(losses, 0))) for losses in found.values())
            axis.set_ylim(lowest - 0.05, lowest + 1.2)
            axis.set_title({"completep": "CompleteP", "standard": "standard parametrisation"}[rule])
            axis.legend(fontsize=8)
            axis.set_xlabel("learning rate at the base" if rule == "completep" else "learning rate")
        row[0].set_ylabel("loss, nats/token")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)

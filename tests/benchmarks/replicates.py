"""Growth told from noise that lasts as long as the run by the seeds of a condition: false alarms, and what is found.

``python -m tests.benchmarks.replicates [--series 360] [--seed 0] [--out docs/benchmarks]`` simulates runs of growth
without a delayed start under noise that wanders over the whole run, and runs that start late under less of it, fits
each, and asks of 2, 3 and 6 runs at a time whether they tell growth from such noise
(:mod:`calque.phases.stats.replicates`). A false alarm is a condition of the first kind in which a run is refused by
itself and all of them together are not. Writes ``replicates.json`` and ``replicates.md``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calque.phases.calibration.curves import CURVES
from calque.phases.calibration.draws import NoiseSpec, schedule, series
from calque.phases.calibration.pathologies.curves import SMOOTH_LATE
from calque.phases.dictionary.grid import Dictionary
from calque.phases.series.axis import Axis
from calque.phases.stats.replicates import needed

SEEDS = (2, 3, 6)
TRUE = {**CURVES, SMOOTH_LATE.name: SMOOTH_LATE}
CELLS = (
    ("linear", 0.98, 0.4, 52, 250), ("linear", 0.98, 0.4, 100, 125), ("linear", 0.99, 0.8, 100, 125),
    ("power-law", 0.98, 0.4, 100, 125), ("power-law", 0.99, 0.8, 52, 250),
    ("stick", 0.98, 0.4, 52, 250), ("gradual-1.7", 0.98, 0.4, 52, 250), ("smooth, late", 0.98, 0.4, 100, 125),
)  # fmt: skip
"""Curve, correlation and standard deviation of the shift, checkpoints, items: nulls, then late growth."""


def told(cell: tuple[str, float, float, int, int], count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of the gain that tells growth of simulated runs (count,), and whether each is refused."""
    curve, rho, sd, n, items = cell
    tokens = schedule("uniform", n)
    dictionary = Dictionary(Axis.of(tokens))
    share, refused = np.full(count, np.nan), np.zeros(count, bool)
    for i in range(count):
        rng = np.random.default_rng([seed, i, n, items])
        fit = dictionary.fit(series(rng, f"s{i}", "m", TRUE[curve].score, tokens, items, NoiseSpec(rho=rho, sd=sd)))
        share[i], refused[i] = np.nan if fit.told is None else fit.told, fit.shortfall > 0
    return share, refused


def passed(share: np.ndarray, refused: np.ndarray, seeds: int) -> tuple[float, float]:
    """Return the shares of conditions of so many seeds with a refused run: all of them, and those that tell growth."""
    whole = len(share) // seeds * seeds
    of, alone = share[:whole].reshape(-1, seeds), refused[:whole].reshape(-1, seeds).any(1)
    known = np.isfinite(of).sum(1)
    means = np.nan_to_num(np.nansum(of, 1) / np.maximum(known, 1))
    tells = (known > 1) & (means >= [needed(max(int(k), 1)) for k in known])
    return float(alone.mean()), float((alone & tells).mean())


def table(rows: Sequence[dict[str, object]]) -> str:
    """Return the results as a Markdown table."""
    head = ["curve", "rho", "sd", "checkpoints", "items", "one run refused", "mean share"]
    head += [f"{word}, {k} seeds" for k in SEEDS for word in ("some refused", "told together")]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(str(row[name]) for name in head) + " |" for row in rows)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=360, help="simulated runs a cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    given = parser.parse_args()
    rows = []
    for cell in CELLS:
        share, refused = told(cell, given.series, given.seed)
        row: dict[str, object] = dict(zip(("curve", "rho", "sd", "checkpoints", "items"), cell, strict=True))
        row |= {"one run refused": round(float(refused.mean()), 3), "mean share": round(float(np.nanmean(share)), 3)}
        for k in SEEDS:
            some, together = passed(share, refused, k)
            row |= {f"some refused, {k} seeds": round(some, 3), f"told together, {k} seeds": round(together, 3)}
        rows.append(row)
        print(row, flush=True)
    given.out.joinpath("replicates.json").write_text(
        json.dumps({"series": given.series, "seed": given.seed, "rows": rows}, indent=1) + "\n"
    )
    given.out.joinpath("replicates.md").write_text(table(rows))


if __name__ == "__main__":
    main()

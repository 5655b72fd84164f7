"""Size against power of the delay test as its level varies, from the p-values that a calibration has kept.

``python -m tests.benchmarks.frontier calibration.jsonl -o docs/images/frontier.png`` after
``phases calibrate --suite standard --out calibration.jsonl``. Size is the worst over all concave designs of the suite.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

POWER = (
    "takeoff/sharp/rho-0.6", "takeoff/gradual-1.7/rho-0.6", "takeoff/stick/rho-0.9", "takeoff/weak/rho-0.6",
    "takeoff/two-phase/rho-0.6",
)  # fmt: skip
LEVELS = np.linspace(0.005, 0.2, 79)


def p_values(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the p-values of the delay test by cell; blocks of cells without one are left out."""
    found: dict[str, list[float]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        block = json.loads(line)
        if "p" in block["columns"] and not block["cell"].startswith("lag/"):
            found[block["cell"]] += block["columns"]["p"]
    return {cell: np.array(values, float) for cell, values in found.items()}


def draw(cells: dict[str, NDArray[np.float64]], out: Path) -> None:
    """Draw power against the worst size, the level of the test running along each line."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    nulls = [p for cell, p in cells.items() if cell.startswith("delay/size/")]
    size = np.array([max(np.mean(p <= level + 1e-9) for p in nulls) for level in LEVELS])
    pooled = np.array([np.mean(np.concatenate(nulls) <= level + 1e-9) for level in LEVELS])
    figure, axes = plt.subplots(figsize=(7, 4.6), layout="constrained")
    for cell in POWER:
        if cell in cells:
            power = np.array([np.mean(cells[cell] <= level + 1e-9) for level in LEVELS])
            (line,) = axes.plot(size, power, label=cell.removeprefix("takeoff/").replace("/rho-", ", rho "))
            at = int(np.abs(LEVELS - 0.05).argmin())
            axes.plot(size[at], power[at], "o", color=line.get_color())
    at = int(np.abs(LEVELS - 0.05).argmin())
    axes.axvline(0.07, color="0.6", linewidth=0.8, linestyle="--")
    axes.set_xlabel(
        f"worst size over {len(nulls)} designs of diminishing returns (at 5 %: {size[at]:.3f}, pooled {pooled[at]:.3f})"
    )
    axes.set_ylabel("power: share of series called delayed")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0, None)
    axes.legend(frameon=False, fontsize=8, title="dots: the level used, 5 %")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(out, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calibration", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/images/frontier.png"))
    given = parser.parse_args()
    draw(p_values(given.calibration), given.out)


if __name__ == "__main__":
    main()

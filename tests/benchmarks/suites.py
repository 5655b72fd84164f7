"""Forecasts of suites whose truth is known: how often they hold, and how early or late they are.

``python -m tests.benchmarks.suites [--seeds 8] [--first 0] [--boot 99]`` simulates suites of eight sizes with the
checkpoints of a published one (:mod:`tests.suites`), finds their takeoffs by ``phases detect`` at two rises, leaves the
largest one to three sizes out, and compares each forecast with the true crossing. It writes
``docs/benchmarks/suites.json`` and prints a table; about two minutes of one core for each seed.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from calque.scaling.forecast.suite_rollouts import HeldOut, suite_rollouts
from calque.scaling.takeoffs import ladder_takeoffs
from tests.suites import LAWS, METRIC, SuiteLaw, suite

RISES = (0.05, 0.2)
OUT = Path(__file__).parents[2] / "docs" / "benchmarks" / "suites.json"


def rolled(law: SuiteLaw, seed: int, rise: float, boot: int) -> tuple[HeldOut, ...]:
    """Return the roll-outs of one simulated suite, compared with its true crossings."""
    made = suite(law, seed)
    found = ladder_takeoffs(made.cube, METRIC, boot=boot, rise=rise).observations
    return suite_rollouts(found, takeoffs={o.run: math.exp(made.crossing(o.run, rise)) for o in found})


def row(law: str, rise: float, found: list[HeldOut]) -> dict[str, Any]:
    """Return the figures of some roll-outs."""
    error = np.array([h.error for h in found])
    return {
        "law": law, "rise": rise, "forecasts": len(found), "held": float(np.mean([h.held for h in found])),
        "mean_error": float(error.mean()), "rms_error": float(np.sqrt((error**2).mean())),
        "early": float((error < 0).mean()), "width": float(np.median([math.log(h.high / h.low) for h in found])),
    }  # fmt: skip


def main() -> None:
    """Simulate, forecast, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--boot", type=int, default=99)
    asked = parser.parse_args()
    by: dict[tuple[str, float], list[HeldOut]] = defaultdict(list)
    for law in LAWS:
        for seed in range(asked.first, asked.first + asked.seeds):
            for rise in RISES:
                found = rolled(law, seed, rise, asked.boot)
                by[law.name, rise] += found
                by["all", rise] += found
        print(f"{law.name} done", flush=True)
    rows = [row(law, rise, found) for (law, rise), found in by.items()]
    OUT.write_text(json.dumps({"seeds": asked.seeds, "first": asked.first, "boot": asked.boot, "rows": rows}, indent=1))
    for r in rows:
        print(
            f"{r['law']:11s} {r['rise']:.2f} {r['forecasts']:4d} held {r['held']:.3f} ln error {r['mean_error']:+.3f} "
            f"rms {r['rms_error']:.3f} early {r['early']:.2f} width {r['width']:.2f}"
        )


if __name__ == "__main__":
    main()

"""Simulated scores that fall, dip or rise late, on even checkpoints and on Pythia's; and what the report says of them.

``python -m tests.phases_falling --each 20`` prints, for every curve on both schedules, the shares of outcomes, of
rejected tests, of takeoffs that are covered, and of none too early. Curves are functions of s, the share of the run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from calque.phases.calibration.curves import CURVES, Score, onset
from calque.phases.detection.analyse import analyse
from calque.phases.detection.judge import rows
from calque.phases.dictionary.grid import Dictionary
from calque.phases.results import Transition
from calque.phases.series.axis import Array, Axis
from calque.phases.series.trajectory import Trajectory
from tests.phases_simulation import counts

ITEMS = 125
NOISE = ((0.6, 0.1), (0.6, 0.3), (0.9, 0.1), (0.9, 0.3))
"""Autocorrelation and standard deviation of the logit shift."""
BATCH = 2_097_152.0
STEPS = np.array([0, *(2**k for k in range(10)), 1000, *range(3000, 144_000, 10_000)], float)
SCHEDULES = {"even": np.linspace(3e9, 3e11, 100), "pythia": BATCH * STEPS}


def dip(s: Array) -> Array:
    """Return a fall by .12 at the beginning of a run."""
    return np.asarray(0.12 * np.expm1(-s / 0.01))


FALLING: dict[str, Score] = {
    "abrupt fall": lambda s: np.where(s < 0.12, 0.5, 0.25),
    "power-law fall": lambda s: 0.2 + 0.3 / (1 + s / 0.02) ** 0.7,
    "gradual fall": lambda s: 0.5 - 0.25 * s,
}
"""Scores that never exceed their first value."""
DIPPING: dict[str, Score] = {
    "dip, saturating": lambda s: 0.25 + dip(s) + 0.45 * -np.expm1(-np.maximum(s - 0.06, 0) / 0.3),
    "dip, overlapping": lambda s: 0.25 + 2 * dip(s) + 0.5 * -np.expm1(-s / 0.3),
    "dip, late": lambda s: 0.25 + dip(s) + onset(0.3, 0.2, floor=0.0)(s),
}
"""Scores that fall below their first value before they rise."""
DIMINISHING: dict[str, Score] = {
    **{name: CURVES[name].score for name in ("flat", "linear", "power-law", "rational", "cloglog-0.6", "log-linear")},
    "root": lambda s: 0.05 + 0.5 * np.sqrt(s),
    "from chance": lambda s: 0.25 + 0.5 * s / (s + 0.1),
}
"""Constant, or diminishing returns from the first token on."""
LATE: dict[str, Score] = {
    **{name: CURVES[name].score for name in ("sharp", "stick", "gradual-1.3", "gradual-1.7", "log-logistic-1.5")},
    "weak": CURVES["weak"].score,
    "early": onset(0.006, 0.8, 1.3),
    "early, from chance": lambda s: 0.2 + 0.65 / (1 + (s / 0.01) ** -1.3),
    "hump": CURVES["peak"].score,
    "weak hump": CURVES["slight"].score,
}
"""Growth that starts late."""
SCORES = FALLING | DIPPING | DIMINISHING | LATE


def series(name: str, schedule: str, each: int, seed: int = 1) -> Iterator[Trajectory]:
    """Yield simulated series of one curve, the four kinds of noise in turn."""
    tokens = SCHEDULES[schedule]
    for i in range(each):
        rho, sd = NOISE[i % len(NOISE)]
        rng = np.random.default_rng([seed, i, list(SCORES).index(name), schedule == "even"])
        k = counts(rng, expected(name, tokens), ITEMS, rho, sd)
        yield Trajectory.of_counts(f"{name} {schedule} {i}", "m", tokens, k, ITEMS)


def expected(name: str, tokens: Array) -> Array:
    """Return the true score at checkpoints."""
    return np.asarray(SCORES[name](np.maximum(tokens, 1.0) / tokens[-1]), float)


def rise_of(name: str, tokens: Array, rise: float = 0.05) -> float:
    """Return the true takeoff: where the score is ``rise`` above its level before it rises; inf where it never is."""
    fine = np.concatenate([tokens[:1], np.geomspace(tokens[tokens > 0][0], tokens[-1], 200_001)])
    score = expected(name, fine)
    start = int(score[: score.argmax() + 1].argmin()) if name in DIPPING else 0
    above = score[start:] >= score[start] + rise
    return float(fine[start + above.argmax()]) if above.any() else np.inf


def answers(name: str, schedule: str, each: int, boot: int = 199, seed: int = 1) -> list[dict[str, Transition]]:
    """Return the rows of every simulated series, by estimand."""
    grid = Dictionary(Axis.of(SCHEDULES[schedule]))
    found = (analyse(t, boot=boot, dictionary=grid) for t in series(name, schedule, each, seed))
    return [{row.estimand: row for row in rows(a, 0.95)} for a in found]


def summary(name: str, schedule: str, found: Sequence[dict[str, Transition]]) -> dict[str, object]:
    """Return one line of the table."""
    truth = rise_of(name, SCHEDULES[schedule])
    takeoff = [row["takeoff"] for row in found]
    placed = [t for t in takeoff if t.tokens is not None]
    low, high = ([default if v is None else v for v in ends] for ends, default in (
        ([t.low for t in placed], 0.0), ([t.high for t in placed], np.inf)))  # fmt: skip
    inside = [a * (1 - 1e-9) <= truth <= b * (1 + 1e-9) for a, b in zip(low, high, strict=True)]
    off = [float(np.log10(t.tokens / truth)) for t in placed if t.tokens and truth < np.inf]
    p = [row["delay"].p_value for row in found]
    return {
        "curve": name, "schedule": schedule, "n": len(found), "placed": len(placed),
        "late": sum(row["delay"].outcome == "found" for row in found),
        "p <= .05": sum(v is not None and v <= 0.05 for v in p), "p = 1": sum(v == 1.0 for v in p),
        "covered": sum(inside) if np.isfinite(truth) else None,
        "decades off": float(np.median(off)) if off else None,
        "delay": dict(Counter(str(row["delay"].outcome) for row in found)),
        "takeoff": dict(Counter(str(t.outcome) for t in takeoff)),
    }  # fmt: skip


def main() -> None:
    """Print the table, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--boot", type=int, default=199)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--curves", nargs="*", default=list(SCORES), metavar="NAME")
    parser.add_argument("--schedules", nargs="*", default=list(SCHEDULES))
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    table = []
    for schedule in options.schedules:
        for name in options.curves:
            begun = time.process_time()
            table.append(summary(name, schedule, answers(name, schedule, options.each, options.boot, options.seed)))
            spent = 1e3 * (time.process_time() - begun) / options.each
            print(*table[-1].values(), f"{spent:.0f} ms", sep=" | ", flush=True)
    if options.out is not None:
        options.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

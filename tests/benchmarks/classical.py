"""Size and coverage of the classical models where each is true: the tables of docs/CLASSICAL.md.

``python -m tests.benchmarks.classical --seed 3 --replicates 60``
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse

import numpy as np
from scipy.special import expit

from calque.phases.classical.growth import fit_growth
from calque.phases.classical.kink import fit_kink
from calque.phases.classical.level import fit_levels
from calque.phases.classical.series import Link, RegressionSeries
from calque.phases.results import Outcome
from calque.phases.series.trajectory import Trajectory
from tests import phases_simulation as sim

CHECKPOINTS, TRIALS = 45, 125
NOISE = ((0.0, 0.0), (0.0, 0.3), (0.6, 0.3), (0.9, 0.3))
"""Autocorrelation and standard deviation of the shift of the logit."""
STEP, CORNER, MIDDLE, SCALE = 25, -0.5, 1.3e6, 0.15


def own_data(rng: np.random.Generator, replicates: int) -> None:
    """Print what each model does with data of its own kind."""
    tokens = sim.schedule("linear", CHECKPOINTS)
    x = np.log10(tokens / tokens[-1])
    curves = (
        expit(-0.5 + 1.2 * x),
        expit(-2 + 5 * np.maximum(x - CORNER, 0)),
        0.15 + 0.2 * (np.arange(CHECKPOINTS) >= STEP),
        sim.logistic(MIDDLE, SCALE)(tokens),
    )
    middle = np.log10(MIDDLE / tokens[-1])
    print("| rho | sd | kink: size | kink: coverage | level: finds | level: coverage (of) | logistic: t50, t10 |")
    print("|---" * 7 + "|")
    for rho, sd in NOISE:
        size, kink, found, level, growth = [], [], [], [], []
        for _ in range(replicates):
            line, bent, step, logistic = (_series(tokens, sim.counts(rng, c, TRIALS, rho, sd), TRIALS) for c in curves)
            size.append(fit_kink(line).p_value <= 0.05)
            k = fit_kink(bent)
            kink.append(k.low <= CORNER <= k.high)
            breaks = fit_levels(step, rng, boot=99).breaks
            found.append(bool(breaks))
            if len(breaks) == 1:
                low, high = breaks[0].low, breaks[0].high
                level.append((low is None or low < STEP) and (high is None or high >= STEP - 1))
            g = fit_growth(logistic, "logistic", proportion=True)
            if g.theta is not None:
                places = ((0.5, middle), (0.1, middle - SCALE * np.log(9)))
                growth.append([(lambda p, at=at: p[1] <= at <= p[2])(g.place(q, 0.95)) for q, at in places])
        t50, t10 = np.mean(growth, axis=0)
        print(
            f"| {rho} | {sd} | {np.mean(size):.2f} | {np.mean(kink):.2f} | {np.mean(found):.2f} | "
            f"{np.mean(level):.2f} ({len(level)}) | {t50:.2f}, {t10:.2f} |",
            flush=True,
        )


def wandering(rng: np.random.Generator, replicates: int) -> None:
    """Print how often a score that only wanders is given a break."""
    print("\n| checkpoints | rho 0 | rho .6 | rho .9 |\n|---|---|---|---|")
    for n in (20, 45, 200):
        shares = []
        for rho in (0.0, 0.6, 0.9):
            made = [_series(np.arange(1.0, n + 1), sim.ar1(rng, n, rho, 1.0), None) for _ in range(replicates)]
            shares.append(np.mean([fit_levels(s, rng, boot=99).outcome == Outcome.FOUND for s in made]))
        print(f"| {n} | " + " | ".join(f"{s:.3f}" for s in shares) + " |", flush=True)


def _series(tokens: sim.Array, score: sim.Array, trials: int | None) -> RegressionSeries:
    link: Link = "identity" if trials is None else "logit"
    if trials is None:
        t = Trajectory.of_values("run", "score", tokens, score, falls=False)
    else:
        t = Trajectory.of_counts("run", "score", tokens, score, trials)
    s = RegressionSeries.of(t, "log", link)
    assert isinstance(s, RegressionSeries)
    return s


def main() -> None:
    """Print both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--replicates", type=int, default=60)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    own_data(rng, options.replicates)
    wandering(rng, 3 * options.replicates)


if __name__ == "__main__":
    main()

"""Size and power of the delay test, coverage and width of takeoff and lag.

``python -m tests.benchmarks.size_power --seed 1`` prints the tables of docs/METHODS.md as Markdown. Each cell draws
fresh series of known truth (tests/phases_simulation.py).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
import zlib

import numpy as np

from phases.analyse import Analysis, analyse
from phases.axis import Axis
from phases.clusters import design_effect
from phases.fit import Dictionary
from phases.lag import crossover, lag
from phases.trajectory import Trajectory
from tests import phases_simulation as sim

RISING = {
    "sharp onset": sim.onset(1.3e6, 0.2),
    "gradual onset (kappa 1.7)": sim.onset(8e5, 0.5, 1.7),
    "steep logistic": sim.logistic(1.3e6, 0.08),
    "early logistic": sim.logistic(3e5, 0.1, 0.7),
    "rise and fall": sim.hump(5e5, 2e6),
    "weak onset (15 points)": sim.onset(1.3e6, 0.2, top=0.15),
}
NOISE = ((0.0, 0.15), (0.6, 0.3), (0.9, 0.4))
"""Autocorrelation between checkpoints and standard deviation of the shift on the logit scale."""
TRIALS = (200,)
PAIRS = {
    "same time": (sim.onset(1.2e6, 0.2), sim.onset(1.2e6, 0.2)),
    "0.14 decades": (sim.onset(1.2e6, 0.2), sim.onset(1.2e6 * 10**0.14, 0.2)),
    "copying, translation": (sim.logistic(4e5, 0.08, 0.8), sim.onset(1.2e6, 0.3, 1.4)),
    "false copying, translation": (sim.hump(5e5, 2e6), sim.onset(1.2e6, 0.2)),
}


def generator(*key: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def size(replicates: int, seed: int, boot: int) -> None:
    print("\n| schedule | rho | trials | " + " | ".join(sim.NULLS) + " | pooled |")
    print("|---" * (len(sim.NULLS) + 4) + "|")
    for kind, n in (("mixed", 45), ("linear", 30)):
        tokens = sim.schedule(kind, n)
        dictionary = Dictionary(Axis.of(tokens))
        for rho, sd in NOISE:
            for trials in TRIALS:
                rejected = []
                for name, curve in sim.NULLS.items():
                    found = 0
                    for r in range(replicates):
                        rng = generator("size", seed, kind, n, rho, trials, name, r)
                        k = sim.counts(rng, curve(tokens), trials, rho, sd)
                        t = Trajectory.of_counts(f"r{r}", name, tokens, k, trials)
                        a = analyse(t, boot=boot, seed=seed, dictionary=dictionary, locate_all=False)
                        found += called_delayed(a)
                    rejected.append(found / replicates)
                cells = " | ".join(f"{v:.3f}" for v in rejected)
                print(f"| {kind} {n} | {rho} | {trials} | {cells} | {np.mean(rejected):.3f} |", flush=True)


def called_delayed(a: Analysis) -> bool:
    return a.delay is not None and a.delay.p_value <= 0.05


def coverage(replicates: int, seed: int, boot: int) -> None:
    print("\n| curve | rho | trials | takeoff coverage | median width, decades | delay power | T^2 or more | ms |")
    print("|---|---|---|---|---|---|---|---|")
    tokens = sim.schedule("mixed")
    dictionary = Dictionary(Axis.of(tokens))
    for name, curve in (RISING | {k: sim.NULLS[k] for k in ("linear", "saturating")}).items():
        truth = np.log10(sim.crossing(curve, tokens) / tokens[-1])
        for rho, sd in NOISE:
            for trials in TRIALS:
                inside, width, delayed, steep = [], [], 0, 0
                start = time.process_time()
                for r in range(replicates):
                    rng = generator("coverage", seed, name, rho, trials, r)
                    k = sim.counts(rng, curve(tokens), trials, rho, sd)
                    t = Trajectory.of_counts(f"r{r}", name, tokens, k, trials)
                    a = analyse(t, boot=boot, seed=seed, dictionary=dictionary)
                    place = a.locations["takeoff"]
                    inside.append(place.low <= truth <= place.high)
                    width.append(place.high - place.low)
                    delayed += called_delayed(a)
                    steep += a.delay is not None and (a.delay.elasticity or 0) >= 2
                ms = 1e3 * (time.process_time() - start) / replicates
                print(
                    f"| {name} | {rho} | {trials} | {np.mean(inside):.3f} | {np.median(width):.2f} | "
                    f"{delayed / replicates:.2f} | {steep / replicates:.2f} | {ms:.0f} |",
                    flush=True,
                )


def clustered(replicates: int, seed: int, boot: int) -> None:
    """Items of 36 concepts that succeed or fail together, persistently: coverage with the design effect and without."""
    print("\n| items | lasting share | design effect | takeoff coverage | without it |")
    print("|---|---|---|---|---|")
    tokens = sim.schedule("mixed")
    dictionary = Dictionary(Axis.of(tokens))
    curve = sim.logistic(1.3e6, 0.08)
    truth = np.log10(sim.crossing(curve, tokens) / tokens[-1])
    for persistence in (0.0, 0.7):
        inside, naive, effect = [], [], []
        for r in range(replicates):
            rng = generator("clustered", seed, persistence, r)
            success, concept = sim.clustered_items(rng, curve(tokens), 36, 12, persistence)
            asked = np.ones_like(success)
            effect.append(design_effect(success, asked, concept))
            for deff, hits in ((effect[-1], inside), (1.0, naive)):
                t = Trajectory.of_counts(f"r{r}", "items", tokens, success.sum(1), asked.sum(1), design_effect=deff)
                place = analyse(t, boot=boot, seed=seed, dictionary=dictionary).locations["takeoff"]
                hits.append(place.low <= truth <= place.high)
        print(
            f"| 36 concepts x 12 | {persistence} | {np.mean(effect):.2f} | {np.mean(inside):.3f} | "
            f"{np.mean(naive):.3f} |",
            flush=True,
        )


def lags(replicates: int, seed: int, boot: int) -> None:
    print("\n| pair | shared shocks | true ln ratio | coverage | excludes 0 | median width, ln | crossover | ms |")
    print("|---|---|---|---|---|---|---|---|")
    tokens = sim.schedule("mixed")
    dictionary = Dictionary(Axis.of(tokens))
    for name, (first, second) in PAIRS.items():
        truth = float(np.log(sim.crossing(second, tokens) / sim.crossing(first, tokens)))
        over = sim.overtaking(first, second, tokens)
        for share in (0.0, 0.7):
            inside, apart, width, crossed, ms = [], 0, [], [], 0.0
            for r in range(replicates):
                rng = generator("lag", seed, name, share, r)
                common = sim.ar1(rng, len(tokens), 0.6, 1.0)
                pair = []
                for metric, curve in (("a", first), ("b", second)):
                    own = sim.ar1(rng, len(tokens), 0.6, 1.0)
                    shock = 0.3 * (np.sqrt(share) * common + np.sqrt(1 - share) * own)
                    k = sim.counts(rng, curve(tokens), 300, 0.6, 0.3, shock)
                    t = Trajectory.of_counts(f"r{r}", metric, tokens, k, 300)
                    pair.append(analyse(t, boot=boot, seed=seed, dictionary=dictionary))
                start = time.process_time()
                found = lag(*pair, boot=boot, level=0.95, seed=seed)
                ms += 1e3 * (time.process_time() - start) / replicates
                if found is None:
                    continue
                inside.append(found.low <= truth <= found.high)
                apart += not found.low <= 0 <= found.high
                width.append(found.high - found.low)
                if np.isfinite(over):
                    place = crossover(*pair, boot=boot, level=0.95, seed=seed)
                    crossed.append(place is not None and place.low <= over <= place.high)
            print(
                f"| {name} | {share} | {truth:.2f} | {np.mean(inside):.3f} | {apart / replicates:.3f} | "
                f"{np.median(width):.2f} | {f'{np.mean(crossed):.3f}' if crossed else '–'} | {ms:.0f} |",
                flush=True,
            )


TABLES = {"size": size, "coverage": coverage, "clustered": clustered, "lags": lags}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replicates", type=int, default=25)
    parser.add_argument("--boot", type=int, default=99)
    parser.add_argument("--table", choices=sorted(TABLES), nargs="*", default=list(TABLES))
    given = parser.parse_args()
    for name in given.table:
        TABLES[name](given.replicates, given.seed, given.boot)


if __name__ == "__main__":
    main()

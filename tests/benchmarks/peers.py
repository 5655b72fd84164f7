"""Change-point tools on growth over training: false alarms, coverage and time, Calque and its peers in one run.

``python -m tests.benchmarks.peers --seed 1 --replicates 100 -o docs/benchmarks/peers.json`` writes the JSON and, beside
it, the same as a Markdown table. Every tool sees the same series: 200 evenly spaced checkpoints, 125 concepts, an AR(1)
shift of the logit (rho .6, standard deviation .3). Needs the peers: ``pip install -e ".[bench]"``.

Tools with a regressor get log10 tokens, or tokens where their name says so; tools of sequences get the checkpoints in
order. *Claim* means: Calque's dictionary, a delayed start (p <= .05); tests, p <= .05; the others, at least one change.
An interval counts as covering if **any** of the tool's intervals holds the truth, which favours tools that claim many.
Time is that of the processor, not of the clock.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import platform
import statistics
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from calque.phases.classical.detect import answer
from calque.phases.detection.analyse import analyse
from calque.phases.dictionary.grid import Dictionary
from calque.phases.results import Outcome, Refusal
from calque.phases.series.axis import Axis
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from tests import phases_simulation as sim

CHECKPOINTS, TRIALS, RHO, SD = 200, 125, 0.6, 0.3
TOKENS = sim.schedule("linear", CHECKPOINTS)
ONSET, PEAK = 1.3e6, 2.0e6
PEERS = ("piecewise-regression", "ruptures", "skchange", "Rbeast")
Interval = tuple[float, float]


def peaked(tokens: sim.Array) -> sim.Array:
    """A straight rise in log tokens to the peak, then a straight fall: the very model of a segmented line."""
    x = np.log10(tokens / PEAK)
    return np.where(x < 0, 0.5 + 0.3 * x, 0.5 - 0.7 * x).clip(0.02)


SMOOTH: dict[str, Callable[[sim.Array], sim.Array]] = {
    "logistic in log tokens": sim.NULLS["rational"],
    "saturating": sim.NULLS["saturating"],
    "linear in tokens": sim.NULLS["linear"],
    "linear in log tokens": sim.NULLS["log_linear"],
    "steep logistic": sim.logistic(ONSET, 0.12),
}
"""No corner in any; all but the last are concave in tokens, so that a delayed start is a false claim there."""
ONSET_CURVE = sim.onset(ONSET, 0.2)
CURVES = SMOOTH | {"onset": ONSET_CURVE, "peak": peaked}
TRUTH = {"onset": ONSET, "takeoff": sim.crossing(ONSET_CURVE, TOKENS), "peak": PEAK}
ASKED = {"onset": "onset", "takeoff": "onset", "peak": "peak"}
"""Place -> the curve that has it."""


@dataclass(frozen=True)
class Finding:
    """What a tool says of one series: whether anything began or changed, and its intervals in tokens by place."""

    claim: bool
    intervals: dict[str, list[Interval]] = field(default_factory=dict)


Tool = Callable[[Trajectory, int], Finding]


def anywhere(claim: bool, intervals: list[Interval]) -> Finding:
    """A tool that does not tell an onset from a peak."""
    return Finding(claim, {"onset": intervals, "peak": intervals})


def dictionary(boot: int) -> Tool:
    """Calque's own answer: delay, takeoff, onset given that there is a corner, peak."""
    grid = Dictionary(Axis.of(TOKENS))

    def tool(t: Trajectory, seed: int) -> Finding:
        a = analyse(t, boot=boot, seed=seed, dictionary=grid)
        if isinstance(a, Refusal):
            return Finding(False, {n: [] for n in TRUTH})
        places: dict[str, list[Interval]] = {
            name: [tuple(TOKENS[-1] * 10.0 ** np.array([place.low, place.high]))]
            for name, place in a.locations.items() if name in TRUTH
        }  # fmt: skip
        return Finding(a.delay is not None and a.delay.p_value <= 0.05, {n: places.get(n, []) for n in TRUTH})

    return tool


def classical(**settings: Any) -> Tool:
    """A classical model of Calque."""

    def tool(t: Trajectory, seed: int) -> Finding:
        rows = answer(t, Settings(seed=seed, **settings)).rows
        located = [r for r in rows if r.tokens is not None]
        ends = [(r.low or 0.0, r.high or np.inf) for r in located]
        return anywhere(rows[0].outcome not in (Outcome.NONE, Outcome.NOT_CONVERGED), ends)

    return tool


def piecewise(log: bool) -> Tool:
    """Segmented regression with one breakpoint on the score itself (Pilgrim 2021)."""
    import piecewise_regression

    def tool(t: Trajectory, seed: int) -> Finding:
        np.random.seed(seed)  # noqa: NPY002  # the package draws from the global generator
        x = np.log10(t.tokens) if log else t.tokens / t.tokens[-1]
        fit = piecewise_regression.Fit(x, t.y, n_breakpoints=1, n_boot=20)
        found = fit.get_results()
        ends: list[Interval] = []
        if found["converged"]:
            low, high = found["estimates"]["breakpoint1"]["confidence_interval"]
            ends = [(10.0**low, 10.0**high) if log else (low * t.tokens[-1], high * t.tokens[-1])]
        return anywhere(bool(found["davies"] <= 0.05), ends)

    return tool


def noise_of(y: sim.Array) -> float:
    """Standard deviation of white noise from the median of differences."""
    return float(np.median(np.abs(np.diff(y))) / (0.6745 * np.sqrt(2)))


def pelt(t: Trajectory, _: int) -> Finding:
    """PELT on levels, with the penalty 2 sigma^2 log n (Killick 2012)."""
    import ruptures

    found = ruptures.Pelt(model="l2", min_size=3, jump=1).fit(t.y).predict(pen=2 * noise_of(t.y) ** 2 * np.log(t.n))
    return Finding(len(found) > 1)


def seeded(t: Trajectory, _: int) -> Finding:
    """Seeded binary segmentation for kinks of a continuous line, with the package's own penalty (Kovacs 2023)."""
    from skchange.detectors import SeededBinarySegmentation
    from skchange.interval_scorers import ContinuousLinearTrendScore

    z = t.y[:, None] / noise_of(t.y)
    return Finding(len(SeededBinarySegmentation(ContinuousLinearTrendScore()).fit(z).predict(z)) > 0)


def beast(t: Trajectory, seed: int) -> Finding:
    """BEAST: Bayesian model averaging over piecewise-linear trends (Zhao 2019); a claim is a median of one or more."""
    import Rbeast

    trend = Rbeast.beast(t.y, season="none", quiet=True, mcmc_seed=seed + 1).trend
    claimed = int(np.asarray(trend.ncp_median).ravel()[0])
    ends = np.asarray(trend.cpCI, float).reshape(-1, 2)[:claimed]
    index = np.arange(1, t.n + 1)
    return anywhere(
        claimed > 0, [tuple(np.interp(e, index, t.tokens)) for e in ends if np.isfinite(e).all()]
    )  # fmt: skip


def tools(boot: int) -> dict[str, Tool]:
    """Every tool by the name of its row."""
    return {
        "calque dictionary": dictionary(boot),
        "calque kink, logit": classical(family="kink"),
        "calque kink, identity": classical(family="kink", link="identity"),
        "calque kink, identity, tokens": classical(family="kink", link="identity", scale="linear"),
        "calque level": classical(family="level", link="identity"),
        "calque markov": classical(family="markov"),
        "piecewise-regression": piecewise(True),
        "piecewise-regression, tokens": piecewise(False),
        "ruptures PELT": pelt,
        "skchange": seeded,
        "Rbeast": beast,
    }


def measure(tool: Tool, name: str, replicates: int, seed: int) -> dict[str, Any]:
    """Return one row: shares over the same series for every tool, each with its number of series."""
    claims: dict[str, list[bool]] = {c: [] for c in CURVES}
    held: dict[str, list[bool]] = {p: [] for p in TRUTH}
    asked = dict.fromkeys(TRUTH, 0)
    seconds, failed = [], 0
    for curve_name, curve in CURVES.items():
        for i in range(replicates):
            child = zlib.crc32(f"{seed}/{curve_name}/{i}".encode())
            rng = np.random.default_rng(child)
            successes = sim.counts(rng, curve(TOKENS), TRIALS, RHO, SD)
            t = Trajectory.of_counts("run", curve_name, TOKENS, successes, TRIALS)
            began = time.process_time()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = tool(t, child % 2**31)
            except (ValueError, ArithmeticError, np.linalg.LinAlgError):
                failed += 1
                continue
            seconds.append(time.process_time() - began)
            claims[curve_name].append(found.claim)
            for place in (p for p, c in ASKED.items() if c == curve_name and p in found.intervals):
                asked[place] += 1
                ends = found.intervals[place]
                if ends:
                    held[place].append(any(low <= TRUTH[place] <= high for low, high in ends))
    return {
        "tool": name,
        "claims": {c: share(v) for c, v in claims.items()},
        "coverage": {p: share(v) for p, v in held.items()},
        "interval_given": {p: len(held[p]) / asked[p] if asked[p] else None for p in TRUTH},
        "milliseconds": round(1000 * statistics.median(seconds), 1) if seconds else None,
        "failed": failed,
    }


def share(values: list[bool]) -> float | None:
    """Share of True, or None where nothing was asked."""
    return sum(values) / len(values) if values else None


def markdown(report: dict[str, Any]) -> str:
    """Return the table."""

    def cell(value: float | None) -> str:
        return "none" if value is None else f"{value:.2f}"

    def covered(row: dict[str, Any], place: str) -> str:
        given = row["interval_given"][place]
        if given is None:
            return "none"
        if given == 0:
            return "never given"
        return cell(row["coverage"][place]) + ("" if given == 1 else f" (in {100 * given:.0f} %)")

    heads = ["tool", *(f"claims, {c}" for c in SMOOTH), "claims, onset", *(f"covers {p}" for p in TRUTH), "ms a series"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in report["rows"]:
        cells = [row["tool"], *(cell(row["claims"][c]) for c in SMOOTH), cell(row["claims"]["onset"])]
        cells += [covered(row, p) for p in TRUTH] + [f"{row['milliseconds']}"]
        lines.append("| " + " | ".join(cells) + " |")
    s = report["settings"]
    lines += [
        "",
        f"{s['replicates']} series a curve (seed {s['seed']}), {CHECKPOINTS} checkpoints, {TRIALS} concepts, AR(1) "
        f"shift of the logit (rho {RHO}, sd {SD}); {s['boot']} bootstrap replicates for the dictionary. On the first "
        "four curves every claim is a false alarm. The steep logistic has no corner, but does start late: only the "
        "dictionary's claim is true there. none: the tool has no such interval; in x %: of the series, those in which "
        "it gives one.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure every tool, print the table, write JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replicates", type=int, default=100)
    parser.add_argument("--boot", type=int, default=999, help="replicates of the dictionary's bootstrap")
    parser.add_argument("--tools", default="", help="only the rows whose name holds this")
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/benchmarks/peers.json"))
    options = parser.parse_args()
    rows = []
    for name, tool in tools(options.boot).items():
        if options.tools in name:
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows.append(measure(tool, name, options.replicates, options.seed))
    report = {
        "settings": {"seed": options.seed, "replicates": options.replicates, "boot": options.boot},
        "machine": {"processor": platform.processor() or platform.machine(), "threads": 1},
        "versions": {p: version(p) for p in (*PEERS, "numpy", "statsmodels")},
        "truth": TRUTH,
        "rows": rows,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    table = markdown(report)
    options.out.with_suffix(".md").write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()

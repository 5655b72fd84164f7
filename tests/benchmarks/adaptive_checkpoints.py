"""What adaptive checkpoints are worth: size, coverage and width beside schedules that are fixed beforehand.

``python -m tests.benchmarks.adaptive_checkpoints -o docs/benchmarks/adaptive_checkpoints.json`` simulates runs of known
truth and analyses each as ``phases detect`` does. The score's noise belongs to training, not to looking: a logit shift
of standard deviation .4 whose autocorrelation falls to .6 over a two-hundredth of the run, and 125 trials. Takeoffs are
moved by up to .1 decades from series to series, so that no schedule is lucky in where its checkpoints stand.

Schedules, each of N planned checkpoints (evenly spaced in log tokens over 2.7 decades, or in tokens) and a budget of B:

- ``base``: the N alone; ``fixed``: N + B, spaced alike;
- ``siblings``: N, and B by the rule, told by smaller runs that are wrong by .08 decades (SD) and say .1;
- ``alone``: N, and B by the rule without siblings; ``misled``: with siblings .3 decades off that say .1.

The rule runs on every series anew, so that size and coverage are those of the adaptive procedure. Finished cells are
kept in the file; the same command goes on. ``--series`` sets how many a cell has, ``--cells`` which (a pattern).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit

from calque.data.files import write_atomically
from calque.data.processes import cores
from calque.phases.adaptive.record import noise_in_tokens
from calque.phases.adaptive.rule import Decision, Prior, Rule, Seen
from calque.phases.calibration.curves import CONCAVE, CURVES, TrueCurve, later, truth
from calque.phases.calibration.draws import centring
from calque.phases.calibration.outcomes import Options, answer, holds, interval_width, median, share
from calque.phases.generators import generator
from calque.phases.processes import spread
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

END, GRAIN = 37_000_000_000, 524_288
TRIALS, SD, RHO, UNIT = 125, 0.4, 0.6, 200
MOVED = 0.1
ERROR, SAID, MISLED = 0.08, 0.1, 0.3
SPARSE = "log 24 + 12"
SCHEDULES = {SPARSE: ("log", 24, 12), "even 40 + 20": ("even", 40, 20), "log 40 + 20": ("log", 40, 20)}
DESIGNS = ("base", "fixed", "siblings", "alone", "misled")
NULLS, TAKEOFFS = ("power-law", "linear"), ("sharp", "stick", "gradual-1.7")
OPTIONS = Options(seed=0, boot=199)


def planned(spacing: str, n: int) -> tuple[int, ...]:
    """Return n checkpoints in tokens, whole steps."""
    s = np.geomspace(1 / 500, 1, n) if spacing == "log" else np.arange(1, n + 1) / n
    return tuple(int(step) * GRAIN for step in np.unique(np.round(s * END / GRAIN)))


def grown(curve: TrueCurve, tokens: tuple[int, ...], rule: Rule | None, prior: Prior | None, name: str) -> Trajectory:
    """Return one series; with a rule it decides at every planned checkpoint which come next."""
    rng = generator(OPTIONS.seed, "series", name)
    end, taken, score, shift, before = tokens[-1], [], [], 0.0, None
    left = rule.budget if rule else 0
    decision: Decision | None = None
    for at_planned in tokens:
        for at in (*(decision.extra if decision else ()), at_planned):
            kept = 0.0 if before is None else RHO ** ((at - before) / end * UNIT)
            shift, before = kept * shift + np.sqrt(1 - kept * kept) * rng.standard_normal(), at
            f = np.clip(curve.score(np.array([at / end])), 1e-4, 1 - 1e-4)
            taken.append(float(at))
            score.append(rng.binomial(TRIALS, float(expit(logit(f) + SD * shift + centring(f, SD))[0])) / TRIALS)
        if rule is not None:
            seen = Seen(tokens=np.array(taken), score=np.array(score), trials=np.full(len(score), float(TRIALS)))
            decision = rule.decide(at_planned, seen, left, prior)
            left -= len(decision.extra)
    made = Trajectory.of_counts(name, "score", taken, np.array(score) * TRIALS, TRIALS)
    return noise_in_tokens(made, made.tokens, tokens)


def one(task: tuple[str, str, str, int]) -> dict[str, float]:
    """Simulate and analyse series ``i`` of a cell."""
    schedule, design, name, i = task
    spacing, n, budget = SCHEDULES[schedule]
    rng = generator(OPTIONS.seed, "curve", name, i)  # the same takeoffs under every schedule
    null = name in NULLS
    curve = CURVES[name] if null else later(CURVES[name], float(rng.uniform(-MOVED, MOVED)))
    tokens = planned(spacing, n + budget if design == "fixed" else n)
    true = truth(curve, np.array(tokens) / tokens[-1], OPTIONS.rise).takeoff
    rule = Rule(planned=tokens, grain=GRAIN, budget=budget) if design in ("siblings", "alone", "misled") else None
    said = true + np.log10(tokens[-1]) + (MISLED if design == "misled" else ERROR * rng.standard_normal())
    prior = None if design == "alone" else Prior(log10_tokens=float(said), sd=SAID)
    t = grown(curve, tokens, rule, prior, f"{schedule} {design} {name} {i}")
    return {"n": float(t.n), "truth": true, **answer([t], "delay" if null else "takeoff", OPTIONS)}


def figures(rows: list[dict[str, float]], null: bool) -> dict[str, Any]:
    """Return a cell's figures with their Monte Carlo standard errors."""
    columns: dict[str, Array] = {key: np.array([row[key] for row in rows], float) for key in rows[0]}
    out = {"rejected": share(columns["p"] <= 1 - OPTIONS.level + 1e-9)}
    if not null:
        made = columns["made"] > 0
        low, high = columns["low"], columns["high"]
        inside = np.array([bool(holds(a, b, t)) for a, b, t in zip(low, high, columns["truth"], strict=True)])
        out["coverage"] = share(made & inside)
        out["width"] = median(interval_width(low, high)[made])
        out["error"] = median(np.abs(columns["x"] - columns["truth"])[made])
    return {"checkpoints": float(columns["n"].mean()), **{key: asdict(value) for key, value in out.items()}}


def cells() -> list[tuple[str, str, str]]:
    """Return (schedule, design, curve) of every cell."""
    return [
        (schedule, design, name)
        for schedule in SCHEDULES
        for name in (*TAKEOFFS, *NULLS)
        for design in DESIGNS
        if design not in ("alone", "misled") or schedule == SPARSE
    ]


def table(found: dict[str, Any]) -> str:
    """Return the cells as Markdown."""

    def text(figure: dict[str, float] | None) -> str:
        return "" if figure is None else f"{figure['value']:.3f} ± {figure['error']:.3f}"

    heads = (
        "schedule|curve|checkpoints|which|series|delay rejected|takeoff covered|width, decades|error, decades".split(
            "|"
        )
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for schedule, design, name in cells():
        cell = found.get(f"{schedule}/{design}/{name}")
        if cell is not None:
            said = [text(cell.get(key)) for key in ("rejected", "coverage", "width", "error")]
            lines.append(
                f"| {schedule} | {name} | {cell['checkpoints']:.0f} | {design} | {cell['rejected']['n']} | "
                f"{' | '.join(said)} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the cells that are missing and write the tables."""
    parser = argparse.ArgumentParser(description="Size, coverage and width of adaptive checkpoints.")
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/benchmarks/adaptive_checkpoints.json"))
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--cells", default="*")
    parser.add_argument("--jobs", type=int, default=cores())
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    found: dict[str, Any] = kept.get("cells", {})
    for schedule, design, name in cells():
        key = f"{schedule}/{design}/{name}"
        if not fnmatchcase(key, given.cells) or found.get(key, {}).get("rejected", {}).get("n", 0) >= given.series:
            continue
        rows = list(spread(one, [(schedule, design, name, i) for i in range(given.series)], given.jobs))
        found[key] = figures(rows, name in NULLS)
        record = {"schema": 1, "settings": asdict(OPTIONS), "trials": TRIALS, "sd": SD, "rho": RHO, "cells": found}
        write_atomically(given.out, (json.dumps(record, indent=1) + "\n").encode())
        write_atomically(given.out.with_suffix(".md"), table(found).encode())
        print(key, {k: v if isinstance(v, float) else round(v["value"], 3) for k, v in found[key].items()}, flush=True)


if __name__ == "__main__":
    assert set(NULLS) <= {curve.name for curve in CONCAVE}
    main()

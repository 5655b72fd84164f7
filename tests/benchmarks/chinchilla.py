"""Fitting the Chinchilla law: 4,500 starts and 4,000 resamples, beside the PyPI package ``chinchilla``.

``python -m tests.benchmarks.chinchilla [--points FILE]`` writes ``docs/benchmarks/chinchilla.json`` and ``.md``.
Without FILE, 240 points are drawn from the law that Besiroglu et al. (2024) published, with noise of their spread; FILE
is a CSV with columns n, d, loss: theirs were read off a figure and carry no licence, so they are not kept here. The
five highest losses of FILE are left out, as there. Wall-clock times: keep the machine idle.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from calque.data.processes import cores
from calque.scaling.loss.fit import resamples
from calque.scaling.loss.law import loss_law
from calque.scaling.loss.minimise import refine, screen
from calque.scaling.loss.objective import Objective
from calque.scaling.loss.points import Points, read_points

LAW = loss_law("chinchilla")
PUBLISHED = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
NOISE, DROPPED, KEPT, BOOT = 0.0065, 5, 32, 4000
PEER = {"e": (-1, 0, 1), "a": (0, 10, 20), "b": (0, 10, 20), "alpha": (0.0, 0.5, 1.0), "beta": (0.0, 0.5, 1.0)}
"""243 starts: its documentation's form of grid."""


def drawn(seed: int = 0) -> Points:
    """Return 240 points in the published ranges of size and FLOPs, Laplace noise on ln loss."""
    rng = np.random.default_rng(seed)
    n, flops = 10 ** rng.uniform(7.8, 10.1, 240), 10 ** rng.uniform(18.5, 21.5, 240)
    d = flops / 6 / n
    p = PUBLISHED
    loss = p["E"] + p["A"] * n ** -p["alpha"] + p["B"] * d ** -p["beta"]
    return Points(n=n, d=d, loss=loss * np.exp(rng.laplace(0, NOISE / 2**0.5, 240)), run=np.arange(240).astype(str))


def ours(points: Points, objective: Objective) -> dict[str, Any]:
    """Time the starts and the resamples; return the minimum."""
    prepared, y = LAW.prepare(points), np.log(points.loss)
    began = time.perf_counter()
    grid = LAW.starts(prepared, y)
    found = refine(LAW, prepared, y, objective, screen(LAW, prepared, y, objective, grid, KEPT))
    starts = time.perf_counter() - began
    best = int(found.value.argmin())
    began = time.perf_counter()
    weights = resamples(points, BOOT, np.random.default_rng(0))
    refined = refine(LAW, prepared, y, objective, np.tile(found.theta[best], (BOOT, 1)), weights)
    boot = time.perf_counter() - began
    public = dict(zip(LAW.parameters, LAW.public(found.theta[best : best + 1])[0].tolist(), strict=True))
    spread = LAW.public(refined.theta[refined.settled]).std(0).tolist()
    return {
        "starts": len(grid), "starts_seconds": starts, "bootstraps": BOOT, "bootstraps_seconds": boot,
        "settled": float(refined.settled.mean()), "objective": float(found.value[best]), "parameters": public,
        "bootstrap_sd": dict(zip(LAW.parameters, spread, strict=True)),
    }  # fmt: skip


def peer(points: Points, objective: Objective) -> dict[str, Any]:
    """Time the package's fit with its own Huber loss of ln loss; its parameters under our objective."""
    from chinchilla import Chinchilla
    from chinchilla._metrics import log_huber

    with tempfile.TemporaryDirectory() as folder:
        fitter = Chinchilla(
            folder, param_grid=PEER, seed_ranges={"C": (1e18, 1e22), "N_to_D": (1, 100)}, num_seeding_steps=1,
            loss_fn=lambda true, fitted: log_huber(true, fitted, delta=objective.delta), log_level=40,
        )  # fmt: skip
        for n, d, loss in zip(points.n, points.d, points.loss, strict=True):
            fitter.append(N=n, D=d, C=6 * n * d, loss=loss)
        began = time.perf_counter()
        fitter.fit(parallel=True)
        took = time.perf_counter() - began
    theta = np.array([[np.log(fitter.E), np.log(fitter.A), np.log(fitter.B), fitter.alpha, fitter.beta]])
    residual = np.log(points.loss) - LAW.evaluate(theta, LAW.prepare(points))[0][0]
    public = {name: float(getattr(fitter, name)) for name in LAW.parameters}
    return {
        "starts": int(np.prod([len(v) for v in PEER.values()])), "starts_seconds": took,
        "objective": float(objective.value(residual).sum()), "parameters": public,
    }  # fmt: skip


def markdown(report: dict[str, Any]) -> str:
    """Return the measurements as a table."""
    lines = [
        "| points | fit | starts | seconds | objective | E | A | B | alpha | beta | 4,000 bootstraps, s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        p, boot = row["parameters"], row.get("bootstraps_seconds")
        lines.append(
            f"| {row['points']} | {row['fit']} | {row['starts']} | {row['starts_seconds']:.2f} "
            f"| {row['objective']:.8g} | {p['E']:.4f} | {p['A']:.1f} | {p['B']:.1f} | {p['alpha']:.4f} "
            f"| {p['beta']:.4f} | {'-' if boot is None else f'{boot:.2f}'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print the table, write JSON and markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=Path, help="CSV with columns n, d, loss")
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/benchmarks/chinchilla.json"))
    given = parser.parse_args()
    sets = {"drawn": drawn()}
    if given.points is not None:
        points = read_points(given.points)
        sets["extracted"] = points.take(np.sort(np.argsort(points.loss, kind="stable")[: len(points) - DROPPED]))
    rows = []
    for name, points in sets.items():
        huber = Objective()
        rows.append({"points": name, "fit": "calque, Huber 1e-3", **ours(points, huber)})
        rows.append({"points": name, "fit": "calque, LAD", **ours(points, Objective(kind="lad"))})
        rows.append({"points": name, "fit": "chinchilla (PyPI), Huber 1e-3", **peer(points, huber)})
    report = {
        "machine": {"cores": cores(), "processor": platform.processor() or platform.machine()},
        "versions": {name: version(name) for name in ("numpy", "scipy", "chinchilla")}, "rows": rows,
    }  # fmt: skip
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    given.out.with_suffix(".md").write_text(markdown(report), encoding="utf-8")
    print(markdown(report))


if __name__ == "__main__":
    main()

"""Sampling the posteriors of ``scaling fit``: our stretch move beside ``emcee`` (the same move, ``vectorize=True``).

``python -m tests.benchmarks.sampler`` writes ``docs/benchmarks/sampler.json`` and ``.md``. The ladder is simulated from
``docs/examples/truth.yaml`` and its takeoffs are detected. Both samplers start from the same walkers and take the same
number of steps, alternately in one process; times are processor seconds. Effective samples: walkers times steps over
the integrated autocorrelation time of the slowest coordinate, by ``emcee.autocorr.integrated_time`` for both.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import emcee
import numpy as np
from numpy.typing import NDArray

from calque.phases.detection.detect import detect
from calque.phases.settings import Settings
from calque.scaling.laws.ensemble import sample
from calque.scaling.laws.maximum import maximise
from calque.scaling.laws.posterior import BURN, WALKERS, posterior_density, starting_walkers
from calque.scaling.laws.registry import LAWS
from calque.scaling.laws.run_times import RunTimes, run_times
from calque.scaling.observations import observe
from calque.scaling.simulate.simulate import simulate
from calque.scaling.simulate.truth import read_truth

Array = NDArray[np.float64]
Density = Callable[[Array], Array]
ROOT = Path(__file__).parent.parent.parent
TRUTH = ROOT / "docs" / "examples" / "truth.yaml"
BOOT = 19


def ladder() -> RunTimes:
    """Return the detected takeoffs of the simulated ladder."""
    cube = simulate(read_truth(TRUTH)).cube
    found = detect(cube, Settings(metrics=("translation",), boot=BOOT))
    return run_times(observe(cube, found.transitions, "translation"))


def ours(density: Density, start: Array, steps: int, seed: int) -> tuple[Array, float]:
    points, acceptance = sample(density, start, steps * WALKERS, np.random.default_rng(seed), burn=BURN, thin=1)
    return points.reshape(steps, *start.shape), acceptance


def theirs(density: Density, start: Array, steps: int, seed: int) -> tuple[Array, float]:
    sampler = emcee.EnsembleSampler(*start.shape, density, vectorize=True)
    sampler.random_state = np.random.RandomState(seed).get_state()
    state = sampler.run_mcmc(start, BURN)
    sampler.reset()
    sampler.run_mcmc(state, steps)
    return sampler.get_chain(), float(np.mean(sampler.acceptance_fraction))


SAMPLERS = {"calque": ours, "emcee": theirs}


def measure(data: RunTimes, name: str, steps: int, rounds: int) -> dict[str, Any]:
    """Return what both samplers did with the posterior of one law, medians over rounds."""
    law, reference = LAWS[name], float(data.n[data.located].max())
    best, _ = maximise(law, data, reference)
    density = posterior_density(law, data, reference)
    start = starting_walkers(law, density, best, np.random.default_rng(0))
    rows: dict[str, list[dict[str, float]]] = {sampler: [] for sampler in SAMPLERS}
    for i in range(rounds):
        for sampler, run in SAMPLERS.items():
            began = time.process_time()
            chain, acceptance = run(density, start, steps, i)
            seconds = time.process_time() - began
            tau = float(np.max(emcee.autocorr.integrated_time(chain, tol=0, quiet=True)))
            row = {"seconds": seconds, "acceptance": acceptance, "autocorrelation_steps": tau}
            rows[sampler].append(row | {"effective_per_second": WALKERS * steps / tau / seconds})
    medians = {
        sampler: {key: statistics.median(row[key] for row in of) for key in of[0]} for sampler, of in rows.items()
    }
    ratios = [
        a["effective_per_second"] / b["effective_per_second"]
        for a, b in zip(rows["calque"], rows["emcee"], strict=True)
    ]
    return {
        "law": name, "dimensions": int(best.size), **medians,
        "ratio": statistics.median(ratios), "ratio_range": [min(ratios), max(ratios)],
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    head = "| law | dimensions | sampler | processor s | acceptance | autocorrelation time, steps | ESS/s | ratio |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        low, high = row["ratio_range"]
        for sampler in SAMPLERS:
            m = row[sampler]
            ratio = f"{row['ratio']:.2f} ({low:.2f} to {high:.2f})" if sampler == "calque" else "1"
            lines.append(
                f"| {row['law']} | {row['dimensions']} | {sampler} | {m['seconds']:.2f} | {m['acceptance']:.3f} | "
                f"{m['autocorrelation_steps']:.0f} | {m['effective_per_second']:.0f} | {ratio} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8000, help="of every walker, after the burn-in")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "benchmarks" / "sampler.json")
    given = parser.parse_args()
    data = ladder()
    rows = [measure(data, name, given.steps, given.rounds) for name in LAWS]
    record = {
        "schema": 1, "steps": given.steps, "rounds": given.rounds, "walkers": WALKERS, "burn": BURN,
        "machine": platform.machine(), "python": platform.python_version(), "emcee": version("emcee"),
        "numpy": version("numpy"), "rows": rows,
    }  # fmt: skip
    given.output.write_text(json.dumps(record, indent=1) + "\n")
    given.output.with_suffix(".md").write_text(table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()

"""How long phases takes: a series with 999 replicates, a lag, a study by pairs, and logs of thousands of checkpoints.

``python -m tests.benchmarks.speed -o docs/benchmarks/speed.json`` times 144 simulated series of 200 checkpoints
(takeoff, delay, onset, widths, number of phases) one by one and spread over all cores, their 72 lags, and ``detect --by
pair`` on a cube of ``--runs`` runs, nine languages and three metrics. Wall-clock times: keep the machine idle.

``--lengths`` times one series of 200 to 10,000 checkpoints instead, each in a process of its own, as ``phases detect``
analyses it, beside ruptures' exact segmentation (PELT with a Gaussian kernel) of the same score: seconds of the
processor, with the grid of shapes that a schedule needs once, and the most memory. It is written to ``speed_lengths``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import multiprocessing
import platform
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calque.data.processes import cores
from calque.data.quantities import format_count
from calque.phases.detection.analyse import Analysis, analyse
from calque.phases.detection.detect import detect
from calque.phases.detection.lag import lag
from calque.phases.dictionary.grid import Dictionary
from calque.phases.processes import spread
from calque.phases.results import Refusal
from calque.phases.series.axis import Axis
from calque.phases.series.prepared import prepared
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings
from tests import phases_simulation as sim

CHECKPOINTS, TRIALS, BOOT, SERIES = 200, 125, 999, 144
TOKENS = np.arange(1, CHECKPOINTS + 1) * sim.END / CHECKPOINTS
LENGTHS = (200, 800, 3200, 10_000)
LANGUAGES, CONCEPTS = ("en", "de", "ru", "zh", "ja", "ko", "tr", "fi", "id"), 40
GRID: list[Dictionary] = []


def series(i: int) -> Trajectory:
    """Return one of the 144: sharp and gradual onsets and humps in turn, each in its time."""
    rng = np.random.default_rng([i, 3])
    start = float(sim.END * 10 ** rng.uniform(-1.1, -0.4))
    curve = (sim.onset(start, 0.2), sim.onset(start, 0.5, 1.7), sim.hump(0.5 * start, 2 * start))[i % 3]
    return Trajectory.of_counts(f"r{i // 2}", f"m{i % 2}", TOKENS, sim.counts(rng, curve(TOKENS), TRIALS), TRIALS)


def one(i: int) -> tuple[float, Analysis | Refusal]:
    """Return the seconds that series ``i`` takes, and its analysis."""
    if not GRID:
        GRID.append(Dictionary(Axis.of(TOKENS)))
        analyse(series(0), boot=BOOT, dictionary=GRID[0])
    start = time.perf_counter()
    found = analyse(series(i), boot=BOOT, dictionary=GRID[0])
    return time.perf_counter() - start, found


def seconds(i: int) -> float:
    """Return the seconds of one series alone: an analysis is large to send."""
    return one(i)[0]


def study(runs: int) -> xr.Dataset:
    """Return a cube of item outcomes and log-probabilities: false copying, then translation, of every directed pair."""
    rng = np.random.default_rng(5)
    n, m = len(LANGUAGES), CONCEPTS
    outcome = np.zeros((runs, CHECKPOINTS, n, n, m), np.int8)
    logprob = np.zeros(outcome.shape, np.float32)
    for r in range(runs):
        for s in range(n):
            for t in range(n):
                late = sim.END * 10 ** rng.uniform(-0.7, -0.4)
                p = sim.onset(late, 0.3, 1.3)(TOKENS)
                q = sim.hump(0.2 * late, 1.2 * late)(TOKENS)
                u = rng.random((CHECKPOINTS, m))
                logprob[r, :, s, t] = -4 + 3 * p[:, None] + 0.3 * rng.standard_normal((CHECKPOINTS, m))
                outcome[r, :, s, t] = np.where(u < p[:, None], 1, np.where(u < (p + q)[:, None], 2, 0))
    dims = ("run", "checkpoint", "source", "target", "concept")
    return xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), np.tile(TOKENS, (runs, 1))),
            "translation_outcome": (dims, outcome),
            "translation_logprob": (dims, logprob),
        },
        coords={"run": [f"run{r}" for r in range(runs)], "source": list(LANGUAGES), "target": list(LANGUAGES)},
        attrs={"calque_schema": 1},
    )


def measure(runs: int) -> dict[str, Any]:
    """Time everything."""
    alone = [one(i) for i in range(0, SERIES)]
    start = time.perf_counter()
    list(spread(seconds, range(cores()), cores()))
    warm = time.perf_counter() - start
    start = time.perf_counter()
    list(spread(seconds, range(SERIES), cores()))
    together = time.perf_counter() - start
    lags = []
    for i in range(0, SERIES, 2):
        start = time.perf_counter()
        lag(alone[i][1], alone[i + 1][1], boot=BOOT, level=0.95, seed=0)
        lags.append(time.perf_counter() - start)
    cube = study(runs)
    start = time.perf_counter()
    metrics = ("false_copying", "translation", "translation_logprob")
    report = detect(cube, Settings(metrics=metrics, by=("pair",), boot=BOOT), jobs=cores())
    whole = time.perf_counter() - start
    return {
        "machine": {"cores": cores(), "processor": platform.processor() or platform.machine()},
        "series_ms_one_core": 1e3 * statistics.median(s for s, _ in alone),
        "series_ms_all_cores": 1e3 * together / SERIES,
        "start_s": warm,
        "lag_ms": 1e3 * statistics.median(lags),
        "study": {
            "runs": runs, "series": len(report.curves), "lags": len(report.lags), "minutes": whole / 60,
        },
    }  # fmt: skip


def long_series(n: int, seed: int = 0) -> Trajectory:
    """Return a sharp onset of ``n`` evenly spaced checkpoints."""
    tokens = sim.schedule("linear", n)
    curve = sim.onset(0.3 * sim.END, 0.2)(tokens)
    return Trajectory.of_counts("r", "m", tokens, sim.counts(np.random.default_rng([seed, n]), curve, TRIALS), TRIALS)


def ours(n: int) -> str:
    """Analyse one long series as ``phases detect`` does; return the takeoff."""
    ((t,), _) = prepared([long_series(n)])
    found = analyse(t, boot=BOOT)
    assert isinstance(found, Analysis)
    place = found.locations["takeoff"]
    low, at, high = (float(t.tokens[-1] * 10.0**x) for x in (place.low, place.x, place.high))
    return f"{format_count(at)} ({format_count(low)} to {format_count(high)})"


def theirs(n: int) -> str:
    """Segment the same series by ruptures; return the number of changes."""
    import ruptures

    y = long_series(n).y
    penalty = 3 * float(np.log(n))
    return f"{len(ruptures.KernelCPD(kernel='rbf', min_size=2).fit(y[:, None]).predict(pen=penalty)) - 1} changes"


def in_own_process(name: str, n: int) -> dict[str, Any]:
    """Return processor seconds and memory of one tool on one series, in a process of its own."""
    return single(_timed, name, n)


def _timed(name: str, n: int) -> dict[str, Any]:
    {"phases": ours, "ruptures": theirs}[name](LENGTHS[0])  # compiled code is loaded
    before = time.process_time()
    said = {"phases": ours, "ruptures": theirs}[name](n)
    used = time.process_time() - before
    return {
        "tool": name, "checkpoints": n, "seconds": used, "said": said,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip


def single(work: Callable[..., dict[str, Any]], *given: object) -> dict[str, Any]:
    """Return what ``work`` gives in a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def lengths() -> dict[str, Any]:
    """Time series of all lengths by both tools."""
    load, rows = os.getloadavg()[0], []
    for n in LENGTHS:
        for name in ("phases", "ruptures"):
            rows.append(in_own_process(name, n))
            print(rows[-1], flush=True)
    return {
        "machine": {"cores": cores(), "processor": platform.processor() or platform.machine(), "load": load},
        "rows": rows,
    }


def lengths_markdown(found: dict[str, Any]) -> str:
    """Return the times by length as a table."""
    rows = [
        f"| {r['checkpoints']:,} | {r['tool']} | {r['seconds']:.2f} | {r['megabytes']:.0f} | {r['said']} |"
        for r in found["rows"]
    ]
    head = "| checkpoints | tool | CPU seconds | memory, MB | answer |"
    note = f"Load {found['machine']['load']:.1f} on {found['machine']['cores']} cores at the start."
    return "\n".join((note, "", head, "|---|---|---|---|---|", *rows)) + "\n"


def markdown(found: dict[str, Any]) -> str:
    """Return the measurements as a table."""
    s = found["study"]
    rows = (
        ("a series, median of 144, one core", f"{found['series_ms_one_core']:.0f} ms"),
        (f"a series, 144 over {found['machine']['cores']} cores, start of the processes included",
         f"{found['series_ms_all_cores']:.0f} ms"),
        ("start of the processes", f"{found['start_s']:.1f} s"),
        ("a lag, median of 72, one core", f"{found['lag_ms']:.0f} ms"),
        (f"`detect --by pair`: {s['runs']} runs, {s['series']} series, {s['lags']} lags",
         f"{s['minutes']:.1f} min"),
    )  # fmt: skip
    return "\n".join(("| what | time |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows))) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/benchmarks/speed.json"))
    parser.add_argument("--lengths", action="store_true")
    given = parser.parse_args()
    if given.lengths:
        found = lengths()
        out = given.out.with_name("speed_lengths.json")
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        out.with_suffix(".md").write_text(lengths_markdown(found), encoding="utf-8")
        print(lengths_markdown(found))
        return
    found = measure(given.runs)
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    given.out.with_suffix(".md").write_text(markdown(found), encoding="utf-8")
    print(markdown(found))


if __name__ == "__main__":
    main()

"""Times of what looks at a whole study of many runs: status, the live page, collect, and the check before a launch.

``python -m tests.benchmarks.many_runs [--runs 1000] [--checkpoints 50] [--out docs/benchmarks]`` makes a results root
of runs with made-up scores (no training), and writes ``many_runs.json`` and ``many_runs.md``. Every command runs in a
process of its own; times are CPU seconds and seconds, memory is the largest resident size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calque.data import cube
from calque.sweeps.results.claim import claim
from calque.sweeps.results.progress import read_progress, run_folder, write_progress
from calque.sweeps.study.study import Study, read_study
from calque.sweeps.watch.curves import curves_from, write_curves

STUDY = """\
study: many
about: a study of many runs, for times
base: world-cpu
defaults:
  size: tiny
  world: {{languages: 3}}
  training: {{tokens: 40M}}
  checkpoints: {{every: {every}, log_spaced: 1, first: 64k}}
runs:
  run: {{seeds: [{seeds}]}}
"""
LANGUAGES, CONCEPTS = ("aa", "bb", "cc"), 40
COMMANDS = {
    "status": "sweeps status --json",
    "status, table": "sweeps status",
    "live page, first": "the live page, made by a new process",
    "live page, again": "the live page, made again after a tenth of the runs changed",
    "unfinished": "the check of runs that are done, before a launch",
    "collect": "sweeps collect",
}
PAGE = """
import sys, time, os
from pathlib import Path
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.study import read_study
from calque.sweeps.watch.live import LivePage
study = read_study(Path(sys.argv[1]))
page = LivePage(study, ResultsRoot(sys.argv[2]))
page.html(15.0)
if sys.argv[3] == "again":
    for run in study.runs[::10]:
        os.utime(Path(sys.argv[2], "runs", run.name, "curves.json"))
    wall, cpu = time.perf_counter(), time.process_time()
    page.html(15.0)
    print(time.perf_counter() - wall, time.process_time() - cpu)
"""
UNFINISHED = """
import sys
from pathlib import Path
from calque.sweeps.results.damage import unfinished
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.study import read_study
unfinished(ResultsRoot(sys.argv[2]), read_study(Path(sys.argv[1])).runs)
"""


def make_root(folder: Path, runs: int, checkpoints: int) -> tuple[Study, Path]:
    """Write a study file and a results root in which nine of ten runs are done and the others stopped half-way."""
    file = folder / "many.yaml"
    seeds = ", ".join(map(str, range(runs)))
    file.write_text(STUDY.format(seeds=seeds, every=f"{40_000_000 // checkpoints}"))
    study, results = read_study(file), folder / "results"
    claim(results, study)
    rng = np.random.default_rng(0)
    for i, run in enumerate(study.runs):
        steps = np.array(run.checkpoint_steps(), float)
        kept = len(steps) if i % 10 else len(steps) // 2
        one, timing = _made(run.name, run.run_id, steps[:kept], run.training.tokens_per_step, rng)
        path = run_folder(results, run)
        cube.write(one, path / "run.nc", {"timing": timing})
        write_curves(path, curves_from(cube.describe(one), timing))
        standing = replace(
            read_progress(results, run), state="done" if i % 10 else "training", checkpoints=kept,
            tokens=int(steps[kept - 1]) * run.training.tokens_per_step, total_checkpoints=len(steps), loss=2.0,
        )  # fmt: skip
        write_progress(results, run, standing)
    return study, results


def _made(
    name: str, run_id: str, steps: np.ndarray, grain: int, rng: np.random.Generator
) -> tuple[xr.Dataset, xr.Dataset]:
    n, k = len(steps), len(LANGUAGES)
    row = ("run", "checkpoint")
    one = xr.Dataset(
        {
            "step": (row, steps[None]), "tokens": (row, steps[None] * grain), "flops": (row, steps[None] * grain * 1e6),
            "loss": ((*row, "language"), 2 + rng.random((1, n, k))),
            "translation_outcome": (
                (*row, "source", "target", "concept"), rng.integers(0, 4, (1, n, k, k, CONCEPTS), np.int8)
            ),
            "translation_logprob": ((*row, "source", "target", "concept"), -rng.random((1, n, k, k, CONCEPTS))),
            "checkpoint_sha256": (row, np.array([[f"{rng.integers(2**63):064x}" for _ in steps]], object)),
            "overlap": (("source", "target", "concept"), np.zeros((k, k, CONCEPTS), np.int8)),
        },
        coords={
            "run": [name], "language": list(LANGUAGES), "source": list(LANGUAGES), "target": list(LANGUAGES),
            "concept": [f"concept {i}" for i in range(CONCEPTS)], "size": ("run", ["tiny"]),
            "run_id": ("run", [run_id]),
        },
        attrs={"run_id": run_id},
    )  # fmt: skip
    return one, xr.Dataset({"training_seconds": (row, np.full((1, n), 2.0))})


def measure(words: list[str]) -> dict[str, float]:
    """Run a command; return its seconds, CPU seconds and largest resident size in megabytes."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(words, stdout=out, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, words
        out.seek(0)
        told = out.read().split()
    seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": used.ru_utime + used.ru_stime}
    if len(told) == 2 and "again" in words:
        seconds = {"seconds": float(told[0]), "cpu_seconds": float(told[1])}
    return {**{name: round(value, 2) for name, value in seconds.items()}, "megabytes": round(used.ru_maxrss / 1024)}


def table(answer: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    machine = f"{answer['cores']} cores, load {answer['load']} at the start"
    lines = [
        f"{machine}; {answer['runs']} runs of {answer['checkpoints']} checkpoints.",
        "", "| what | seconds | CPU seconds | memory, MB |", "|---|---|---|---|",
    ]  # fmt: skip
    for name, found in answer["times"].items():
        lines.append(f"| {COMMANDS[name]} | {found['seconds']} | {found['cpu_seconds']} | {found['megabytes']:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--checkpoints", type=int, default=50)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    given = parser.parse_args()
    answer: dict[str, Any] = {
        "runs": given.runs, "checkpoints": given.checkpoints, "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1), "times": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="calque-many-runs-") as name:
        study, results = make_root(Path(name), given.runs, given.checkpoints)
        where = [str(study.path), "--results", str(results)]
        sweeps, python = [sys.executable, "-m", "calque.sweeps.cli"], [sys.executable, "-c"]
        for what, words in {
            "status": [*sweeps, "status", *where, "--json", "-"],
            "status, table": [*sweeps, "status", *where],
            "live page, first": [*python, PAGE, str(study.path), str(results), "first"],
            "live page, again": [*python, PAGE, str(study.path), str(results), "again"],
            "unfinished": [*python, UNFINISHED, str(study.path), str(results)],
            "collect": [*sweeps, "collect", *where, "-o", str(Path(name) / "c.nc")],
        }.items():
            answer["times"][what] = measure(words)
            print(what, answer["times"][what], flush=True)
    given.out.joinpath("many_runs.json").write_text(json.dumps(answer, indent=1) + "\n")
    given.out.joinpath("many_runs.md").write_text(table(answer))


if __name__ == "__main__":
    main()

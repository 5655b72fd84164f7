"""What Ray costs: a study beside the same trials by hand in two processes, start-up, and 200 trials that sleep.

``python -m tests.benchmarks.ray_cost -o docs/benchmarks/ray.json`` trains ``--runs`` runs of the quick study's size
(shortened to ``--tokens``) twice a round: with ``sweeps run`` on two cores, and by hand, two ``sweeps trial`` at a time
in processes of their own. Rounds alternate which goes first. Then a study of ``--sleepers`` trials that sleep is
launched, and the memory of the driver and of all of Ray's processes is read while it goes on. Wall-clock times: keep
the machine idle.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

STUDY = """\
study: cost
base: world-cpu
defaults:
  training: {{tokens: {tokens}}}
  checkpoints: {{log_spaced: 12, first: 20k, every: 192k}}
runs:
  micro: {{seeds: [{seeds}]}}
"""
CORES = 2


def study_file(folder: Path, runs: int, tokens: int) -> Path:
    """Write the study and make its data, which is no part of what is timed."""
    path = folder / "cost.yaml"
    path.write_text(STUDY.format(tokens=tokens, seeds=", ".join(map(str, range(runs)))))
    subprocess.run([*sweeps(), "prepare", str(path)], check=True, capture_output=True)
    return path


def sweeps() -> list[str]:
    """Return the command's beginning."""
    return [sys.executable, "-m", "calque.sweeps.cli"]


def under_ray(study: Path, results: Path) -> tuple[float, float]:
    """Return the seconds of ``sweeps run``, and those until its first run began to train."""
    began = time.monotonic()
    process = subprocess.Popen([*sweeps(), "run", str(study), "--results", str(results), "--cpus", str(CORES)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    started = 0.0
    while process.poll() is None:
        if not started and any(results.glob("runs/*/progress.json")):
            started = time.monotonic() - began
        time.sleep(0.05)
    assert process.returncode == 0, "the study did not end well"
    return time.monotonic() - began, started


def by_hand(study: Path, results: Path, runs: int) -> float:
    """Return the seconds of the same runs, two at a time in processes of their own, and one collecting."""
    began, waiting = time.monotonic(), [f"micro-s{i}" for i in range(runs)]
    working: list[subprocess.Popen[bytes]] = []
    while waiting or working:
        working = [process for process in working if process.poll() is None]
        while waiting and len(working) < CORES:
            command = [*sweeps(), "trial", str(study), waiting.pop(0), "--results", str(results)]
            working.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(0.05)
    collect = [*sweeps(), "collect", str(study), "--results", str(results), "-o", str(results / "results.nc")]
    subprocess.run(collect, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def rounds(count: int, runs: int, tokens: int) -> Iterator[dict[str, float]]:
    """Yield the measurements of each round; every other one begins by hand."""
    for i in range(count):
        with tempfile.TemporaryDirectory() as folder:
            study = study_file(Path(folder), runs, tokens)
            hand = by_hand(study, Path(folder) / "hand", runs) if i % 2 else 0.0
            ray, started = under_ray(study, Path(folder) / "ray")
            hand = hand or by_hand(study, Path(folder) / "hand", runs)
        yield {"ray_s": ray, "by_hand_s": hand, "ratio": ray / hand, "start_up_s": started}


def _asleep(request: Any) -> None:
    time.sleep(0.2)


def sleepers(count: int) -> dict[str, Any]:
    """Launch trials that sleep, and read the memory of all processes meanwhile."""
    from calque.sweeps.launch.tune import launch
    from calque.sweeps.study.run_config import adapter

    base = {"name": "x", "training": {"tokens": 10_000}}
    runs = [adapter().validate_python({**base, "name": f"r{i}", "init_seed": i}) for i in range(count)]
    memory: list[tuple[float, int]] = []
    stop, began = threading.Event(), time.monotonic()

    def watch() -> None:
        while not stop.wait(1.0):
            memory.append((time.monotonic() - began, resident(family(os.getpid()))))

    thread = threading.Thread(target=watch)
    thread.start()
    reason = launch(runs, "/nowhere", "", CORES, _asleep)
    stop.set()
    thread.join()
    assert reason is None, reason
    seconds = time.monotonic() - began
    half = [m for at, m in memory if seconds * 0.25 < at < seconds * 0.5]
    last = [m for at, m in memory if at > seconds * 0.75]
    return {
        "trials": count, "seconds": seconds, "seconds_per_trial": seconds / count,
        "memory_mb_second_quarter": statistics.median(half) / 1e6,
        "memory_mb_last_quarter": statistics.median(last) / 1e6,
    }  # fmt: skip


def family(pid: int) -> set[int]:
    """Return a process and all below it."""
    from tests.sweeps_processes import descendants

    return {pid} | descendants(pid)


def resident(pids: Sequence[int] | set[int]) -> int:
    """Return the memory of processes in bytes, what they share counted once."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def markdown(found: dict[str, Any]) -> str:
    """Return the measurements as a table."""
    rows = []
    if "cost" in found:
        cost = found["cost"]
        rows += [
            (f"{cost['runs']} runs of {cost['tokens']:,} tokens, `sweeps run`", f"{cost['ray_s']:.1f} s"),
            ("the same by hand, two `sweeps trial` at a time", f"{cost['by_hand_s']:.1f} s"),
            (
                "ratio, median of rounds (range)",
                "{:.3f} ({:.3f} to {:.3f})".format(cost["ratio"], *cost["ratio_range"]),
            ),
            ("until the first run is at work (Python, Ray, a process)", f"{cost['start_up_s']:.1f} s"),
        ]
    if "asleep" in found:
        asleep = found["asleep"]
        rows += [
            (f"{asleep['trials']} trials that sleep 0.2 s", f"{asleep['seconds']:.0f} s"),
            ("memory of all processes, second quarter", f"{asleep['memory_mb_second_quarter']:.0f} MB"),
            ("memory of all processes, last quarter", f"{asleep['memory_mb_last_quarter']:.0f} MB"),
        ]
    return "\n".join(("| what | measured |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows))) + "\n"


def cost(count: int, runs: int, tokens: int) -> dict[str, Any]:
    """Return the medians of the rounds, the range of their ratios, and the rounds."""
    measured = list(rounds(count, runs, tokens))
    middle = {name: statistics.median(one[name] for one in measured) for name in measured[0]}
    ratios = [one["ratio"] for one in measured]
    return {"runs": runs, "tokens": tokens, **middle, "ratio_range": [min(ratios), max(ratios)], "rounds": measured}


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="0 leaves the cost out")
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=1_280_000)
    parser.add_argument("--sleepers", type=int, default=200, help="0 leaves them out")
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/benchmarks/ray.json"))
    given = parser.parse_args()
    found: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "versions": {"ray": version("ray"), "python": platform.python_version()},
    }
    if given.rounds:
        found["cost"] = cost(given.rounds, given.runs, given.tokens)
    if given.sleepers:
        found["asleep"] = sleepers(given.sleepers)
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    given.out.with_suffix(".md").write_text(markdown(found), encoding="utf-8")
    print(markdown(found))


if __name__ == "__main__":
    main()

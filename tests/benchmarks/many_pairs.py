"""Time and memory of ``phases detect --by pair`` on a study of 20 runs, 200 checkpoints and 72 directed pairs.

``python -m tests.benchmarks.many_pairs [--runs 20] [--checkpoints 200] [--boot 999] [--out docs/benchmarks]`` makes a
cube of simulated outcomes of 125 concepts in nine languages, runs the command on it in a process of its own, and writes
``many_pairs.json`` and ``many_pairs.md``. Compiled statistics are loaded by a small study before. Memory is the largest
sum over the command's processes of what each holds alone and its share of what they hold together (PSS).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import calque
from tests.phases_cube import study

LANGUAGES, CONCEPTS = 9, 125
POLL = 0.5
"""Seconds between two looks at the memory."""


def tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    out = [pid]
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                out += tree(int(child))
    return out


def held(pid: int) -> int:
    """Return the bytes that a process and its descendants hold: the sum of their proportional set sizes."""
    total = 0
    for one in tree(pid):
        with suppress(OSError):  # it has ended
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                total += 1024 * int(line.split()[1]) if line.startswith("Pss:") else 0
    return total


def measure(words: list[str]) -> dict[str, float]:
    """Run a command; return its seconds, CPU seconds with those of its processes, and the most memory it held."""
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    most, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(POLL):
            most[0] = max(most[0], held(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    done.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return {
        "seconds": round(time.perf_counter() - began, 1), "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "megabytes": round(most[0] / 2**20),
    }  # fmt: skip


def table(answer: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    what = f"{answer['runs']} runs x {answer['checkpoints']} checkpoints x {answer['pairs']} pairs"
    return (
        f"{answer['cores']} cores, load {answer['load'][0]} at the start and {answer['load'][1]} at the end; "
        f"`phases detect --by pair --metric translation --boot {answer['boot']}`, "
        f"{answer['series']} series of {CONCEPTS} concepts.\n\n"
        "| study | seconds | CPU seconds | CPU seconds / cores | CPU ms a series | memory of all processes, MB |\n"
        "|---|---|---|---|---|---|\n"
        f"| {what} | {answer['seconds']} | {answer['cpu_seconds']} | {answer['cpu_seconds'] / answer['cores']:.1f} | "
        f"{1000 * answer['cpu_seconds'] / answer['series']:.0f} | {answer['megabytes']} |\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--checkpoints", type=int, default=200)
    parser.add_argument("--boot", type=int, default=999)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    given = parser.parse_args()
    calque.detect(study(runs=1, n=20, exposure=False)[0], boot=19, metric="translation")
    with tempfile.TemporaryDirectory(prefix="calque-many-pairs-") as name:
        file, found = Path(name) / "study.nc", Path(name) / "detect.json"
        made, _ = study(0, given.runs, CONCEPTS, LANGUAGES, given.checkpoints, exposure=False)
        calque.write(made.drop_vars("translation_logprob"), file)
        del made
        load = [round(os.getloadavg()[0], 1)]
        told = measure([
            sys.executable, "-m", "calque.phases.cli", "detect", str(file), "--by", "pair", "--metric", "translation",
            "--boot", str(given.boot), "--quiet", "--json", str(found),
        ])  # fmt: skip
        rows = json.loads(found.read_text())["transitions"]
    answer: dict[str, Any] = {
        "runs": given.runs, "checkpoints": given.checkpoints, "pairs": LANGUAGES * (LANGUAGES - 1),
        "boot": given.boot, "series": sum(row["estimand"] == "delay" for row in rows), "cores": os.cpu_count(),
        "load": [*load, round(os.getloadavg()[0], 1)], **told,
    }  # fmt: skip
    given.out.joinpath("many_pairs.json").write_text(json.dumps(answer, indent=1) + "\n")
    given.out.joinpath("many_pairs.md").write_text(table(answer))
    print(table(answer))


if __name__ == "__main__":
    main()

"""How long the pages take to answer, alone and for twenty: ``python -m tests.benchmarks.explore [--beside SRC]``.

A cube of 60 runs (five sizes, three mixes, four seeds), 200 checkpoints, 72 directed pairs and 20 concepts is simulated
and read. Then selections are changed as a person would: in one session; in twenty that share the cube, all of them step
by step; and on a cube of 2.3 GB in memory (400 runs, 81 pairs, 40 concepts, outcomes and two log-probabilities). A time
is what the server takes to draw a page anew and to make what is sent to the browser, the browser's own part left out:
seconds of processor time, of which the server uses one core, so that other work on the machine counts less. Memory is
that of the process. Every measurement is a process of its own; with ``--beside``, the sources of another version are
measured in turns with these.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

SIZES = (2.2e6, 1.77e7, 5.97e7, 1.416e8, 2.765e8)
LANGUAGES = ["en", "de", "ru", "zh", "ja", "ko", "tr", "fi", "id"]
TRUTH = {
    "name": "large", "seeds": 4, "concepts": 20, "languages": LANGUAGES,
    "sizes": [{"name": f"{n / 1e6:g}m", "n_params_non_embedding": n} for n in SIZES],
    "mixes": [{"name": name, "factor": f} for name, f in (("uniform", 1.0), ("skewed", 1.3), ("parallel", 0.7))],
    "checkpoints": {"count": 200, "first": 1e8, "last": 2e11, "spacing": "log"},
    "law": {"t0": 4e9, "c": 5.8e13, "gamma": 0.5, "seed_sd": 0.05},
}  # fmt: skip
SESSIONS, RUNS = 20, 400
MEMORY = "memory at most, MB"


def make(path: Path) -> None:
    """Write the cube of 60 runs, with a loss and FLOPs for the isoFLOP view."""
    from calque.data import cube as cubes
    from calque.scaling.simulate.simulate import simulate
    from calque.scaling.simulate.truth import Truth

    cube = simulate(Truth.model_validate(TRUTH)).cube
    n = np.asarray(cube["n_params_non_embedding"], float)[:, None]
    tokens = np.asarray(cube["tokens"].transpose("run", "checkpoint"), float)
    loss = 1.82 + 482 / n**0.348 + 2085 / tokens**0.366
    cubes.write(cube.assign(loss=(("run", "checkpoint"), loss), flops=(("run", "checkpoint"), 6 * n * tokens)), path)


def make_huge(path: Path) -> None:
    """Write the cube of 2.3 GB: logistic growth in tokens with noise by item."""
    from calque.data import cube as cubes

    rng, tokens, words = np.random.default_rng(0), np.geomspace(1e8, 2e11, 200), 40
    dims = ("run", "checkpoint", "source", "target", "concept")
    shape = (RUNS, len(tokens), len(LANGUAGES), len(LANGUAGES), words)
    rate = (1 / (1 + np.exp(-4 * (np.log10(tokens) - 10)))).astype(np.float32)[:, None, None, None]
    outcome, logprobs = np.empty(shape, np.int8), [np.empty(shape, np.float32) for _ in range(2)]
    for run in range(RUNS):
        draw = rng.random(shape[1:], dtype=np.float32)
        outcome[run] = np.where(draw < rate, 1, np.where(draw > 0.9, 2, 0))
        for one in logprobs:
            one[run] = -8 + 6 * rate + rng.standard_normal(shape[1:], dtype=np.float32)
    overlap = np.zeros(shape[2:], np.int8)
    overlap[np.arange(len(LANGUAGES)), np.arange(len(LANGUAGES))] = 2
    cube = xr.Dataset(
        {
            "tokens": (dims[:2], np.tile(tokens, (RUNS, 1))), "translation_outcome": (dims, outcome),
            "translation_logprob": (dims, logprobs[0]), "copy_logprob": (dims, logprobs[1]),
            "overlap": (dims[2:], overlap),
        },
        coords={
            "run": [f"r{i:03d}" for i in range(RUNS)], "source": LANGUAGES, "target": LANGUAGES,
            "concept": [f"c{i}" for i in range(words)], "mix": ("run", [f"m{i % 20}" for i in range(RUNS)]),
        },
    )  # fmt: skip
    cubes.write(cube, path)


def steps(app: Any) -> list[tuple[str, Callable[[], Any]]]:
    """Return what a person does, in order."""
    chosen, at = app.selection, {page.title: i for i, page in enumerate(app.pages)}
    curves, pairs = app.pages[at["Curves"]], app.pages[at["Pairs"]]

    def look(title: str) -> Callable[[], None]:
        return lambda: setattr(app.tabs, "active", at[title])

    def slide() -> None:
        places = list(pairs.slider.options.values())
        pairs.slider.value = places[len(places) // 3]
        pairs.redraw()

    return [
        ("curves of one mix, 3 metrics, linear tokens", lambda: setattr(chosen.axis, "value", "linear")),
        ("one metric", lambda: setattr(chosen.chosen_metrics, "value", ["translation"])),
        ("by target", lambda: setattr(curves.split, "value", "target")),
        ("by pair", lambda: setattr(curves.split, "value", "pair")),
        ("whole again", lambda: setattr(curves.split, "value", "whole")),
        ("all runs", lambda: setattr(chosen.filters["mix"], "value", [])),
        ("pairs", look("Pairs")),
        ("pairs, slider moved", slide),
        ("words", look("Words")),
        ("loss and compute", look("Loss and compute")),
        ("runs", look("Runs")),
    ]


def measure(path: Path, sessions: int) -> dict[str, float]:
    """Return seconds by step of so many sessions of one server, and the memory of the process."""
    from bokeh.document import Document

    from calque.phases.explore.app import App, prepare
    from calque.phases.explore.study import read_study

    prepare()
    out: dict[str, float] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = call()
        out[name] = out.get(name, 0.0) + time.process_time() - began
        return result

    study = timed("read the cube", lambda: read_study(path, {}))
    apps = [App(study) for _ in range(sessions)]
    for app in apps:
        timed("first page: curves of one mix, 3 metrics", lambda app=app: app.view().server_doc(Document()))
    for several in zip(*map(steps, apps), strict=True):
        for name, call in several:
            timed(name, call)
    out["all"] = sum(out.values())
    out[MEMORY] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return out


def child(sources: Path | None, path: Path, sessions: int) -> dict[str, float]:
    """Return what :func:`measure` does, in a process of its own, with these sources or others."""
    command = [sys.executable, "-m", "tests.benchmarks.explore", "--child", str(path), "--sessions", str(sessions)]
    beside = ["--beside", str(sources)] if sources else []
    done = subprocess.run([*command, *beside], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def apart(call: Callable[[Path], None], path: Path) -> None:
    """Call a function in a process of its own: a child's largest memory would count what its parent held."""
    process = multiprocessing.get_context("spawn").Process(target=call, args=(path,))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{path} was not written")


def table(rounds: list[dict[str, float]], before: list[dict[str, float]]) -> list[str]:
    """Return the rows of a table: medians with their range, and the median beside it with the ratio."""
    lines = []
    for name in rounds[0]:
        now, old = sorted(one[name] for one in rounds), sorted(one[name] for one in before)
        digits = ".0f" if name == MEMORY else ".2f"
        line = f"| {name} | {statistics.median(now):{digits}} ({now[0]:{digits}} to {now[-1]:{digits}}) |"
        if old:
            ratio = statistics.median(old) / statistics.median(now)
            line += f" {statistics.median(old):{digits}} | {ratio:.1f} |"
        lines.append(line)
    head = f"| processor seconds, but for memory | median of {len(rounds)} (range) |"
    beside = (" before | ratio |", "---|---|") if before else ("", "")
    return [head + beside[0], "|---|---|" + beside[1], *lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beside", type=Path, metavar="SRC", help="A folder with another version's package calque.")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sessions", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        sys.path[:0] = [str(given.beside)] if given.beside else []  # ahead of the installed one
        print(json.dumps(measure(given.child, given.sessions)))
        return
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        made = {kind: Path(folder) / f"{kind}.nc" for kind in ("large", "huge")}
        for write_cube, path in ((make, made["large"]), (make_huge, made["huge"])):
            apart(write_cube, path)
        cases = {"one session": ("large", 1), f"{SESSIONS} sessions": ("large", SESSIONS)}
        cases["a cube of 2.3 GB"] = ("huge", 1)
        for name, (kind, sessions) in cases.items():
            one = found[name] = {"now": [], "before": []}
            for _ in range(given.rounds if sessions == 1 else 1):
                one["now"].append(child(None, made[kind], sessions))
                if given.beside:
                    one["before"].append(child(given.beside, made[kind], sessions))
            print(name, *table(one["now"], one["before"]), sep="\n", flush=True)
    write(given, found)


def write(given: argparse.Namespace, found: dict[str, Any]) -> None:
    """Write the numbers and their tables."""
    report = {
        "command": f"python -m tests.benchmarks.explore --rounds {given.rounds}", "date": time.strftime("%Y-%m-%d"),
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "versions": {name: version(name) for name in ("panel", "bokeh")}, "seconds": found,
    }  # fmt: skip
    (given.out / "explore.json").write_text(json.dumps(report, indent=1) + "\n")
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    text = [
        "# How long the pages of `phases explore` take to answer", "", (__doc__ or "").split("\n\n")[1].strip(), "",
        f"`{report['command']}`, {report['date']}, {os.cpu_count()} cores, {versions}.",
    ]  # fmt: skip
    if given.beside:
        text += [
            "",
            "*Before* is the version whose sources were given with `--beside`, measured in turns with this one.",
        ]
    for name, one in found.items():
        text += ["", f"## {name[0].upper()}{name[1:]}", "", *table(one["now"], one["before"])]
    (given.out / "explore.md").write_text("\n".join([*text, ""]))


if __name__ == "__main__":
    main()

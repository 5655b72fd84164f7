"""How long the pages take to answer over a large cube: ``python -m tests.benchmarks.explore [--out docs/benchmarks]``.

A cube of 60 runs (five sizes, three mixes, four seeds), 200 checkpoints, 72 directed pairs and 20 concepts is simulated
and read. Then, in one session, selections are changed as a person would; a time is what the server takes to draw the
page anew and to make what is sent to the browser, the browser's own part left out: seconds of processor time, of which
the server uses one core, so that other work on the machine counts less. Each round is a session of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from calque.data import cube as cubes
from calque.phases.explore.app import App, prepare
from calque.phases.explore.study import read_study
from calque.scaling.simulate.simulate import simulate
from calque.scaling.simulate.truth import Truth

SIZES = (2.2e6, 1.77e7, 5.97e7, 1.416e8, 2.765e8)
TRUTH = {
    "name": "large", "seeds": 4, "concepts": 20, "languages": ["en", "de", "ru", "zh", "ja", "ko", "tr", "fi", "id"],
    "sizes": [{"name": f"{n / 1e6:g}m", "n_params_non_embedding": n} for n in SIZES],
    "mixes": [{"name": name, "factor": f} for name, f in (("uniform", 1.0), ("skewed", 1.3), ("parallel", 0.7))],
    "checkpoints": {"count": 200, "first": 1e8, "last": 2e11, "spacing": "log"},
    "law": {"t0": 4e9, "c": 5.8e13, "gamma": 0.5, "seed_sd": 0.05},
}  # fmt: skip


def make(path: Path) -> None:
    """Write the cube, with a loss and FLOPs for the isoFLOP view."""
    cube = simulate(Truth.model_validate(TRUTH)).cube
    n = np.asarray(cube["n_params_non_embedding"], float)[:, None]
    tokens = np.asarray(cube["tokens"].transpose("run", "checkpoint"), float)
    loss = 1.82 + 482 / n**0.348 + 2085 / tokens**0.366
    cubes.write(cube.assign(loss=(("run", "checkpoint"), loss), flops=(("run", "checkpoint"), 6 * n * tokens)), path)


def steps(app: App) -> list[tuple[str, Callable[[], Any]]]:
    """Return what a person does, in order."""
    chosen, curves, pairs = app.selection, app.pages[0], app.pages[1]

    def look(i: int) -> Callable[[], None]:
        return lambda: setattr(app.tabs, "active", i)

    def slide() -> None:
        places = list(pairs.slider.options.values())
        pairs.slider.value = places[len(places) // 3]
        pairs.redraw()

    return [
        ("curves, 20 runs, 3 metrics, linear tokens", lambda: setattr(chosen.axis, "value", "linear")),
        ("one metric", lambda: setattr(chosen.chosen_metrics, "value", ["translation"])),
        ("by target", lambda: setattr(curves.split, "value", "target")),
        ("by pair", lambda: setattr(curves.split, "value", "pair")),
        ("whole again", lambda: setattr(curves.split, "value", "whole")),
        ("all 60 runs", lambda: setattr(chosen.filters["mix"], "value", [])),
        ("pairs", look(1)),
        ("pairs, slider moved", slide),
        ("words", look(2)),
        ("loss and compute", look(4)),
        ("runs", look(6)),
    ]


def session(path: Path) -> dict[str, float]:
    """Return seconds by step of one session."""
    out = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = call()
        out[name] = time.process_time() - began
        return result

    study = timed("read the cube", lambda: read_study(path, {}))
    app = App(study)
    timed("first page: curves, 20 runs, 3 metrics", lambda: app.view().get_root())
    for name, call in steps(app):
        timed(name, call)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    prepare()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.nc"
        make(path)
        rounds = [session(path) for _ in range(given.rounds)]
    rows = {name: sorted(one[name] for one in rounds) for name in rounds[0]}
    report = {
        "command": f"python -m tests.benchmarks.explore --rounds {given.rounds}", "date": time.strftime("%Y-%m-%d"),
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "versions": {name: version(name) for name in ("panel", "holoviews", "hvplot", "bokeh")}, "seconds": rows,
    }  # fmt: skip
    (given.out / "explore.json").write_text(json.dumps(report, indent=1) + "\n")
    lines = [f"| {name} | {statistics.median(v):.2f} ({v[0]:.2f} to {v[-1]:.2f}) |" for name, v in rows.items()]
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    text = [
        "# How long the pages of `phases explore` take to answer",
        "",
        (__doc__ or "").split("\n\n")[1],
        "",
        f"`{report['command']}`, {report['date']}, {os.cpu_count()} cores, {versions}.",
        "",
        f"| step | processor seconds, median of {given.rounds} (range) |",
        "|---|---|",
        *lines,
        "",
    ]
    (given.out / "explore.md").write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()

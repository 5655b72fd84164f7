"""How long pages take in a browser: the site, the report, explore.

A page of the site, the report of ten runs and the pages of explore over 60 runs, 200 checkpoints, 72 pairs and 20
concepts are opened in Chromium, each in a window of its own; then a person's changes are made. First paint is
the browser's own (first contentful paint, from the start of the navigation); of explore also when the first picture is
drawn. An interaction lasts from the event to the end of the drawing, when the busy sign is gone and the next frame is
shown. Wall-clock seconds, so measure on an idle machine: the load before the start is written down.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
DRAWN = "() => document.getElementById('busy')?.textContent === ''"
PAGES = ("index", "METHODS", "KEYS", "reference/python", "LOG")


def painted(page: Any, address: str) -> float:
    """Return the seconds to first contentful paint."""
    page.goto(address, wait_until="load")
    page.wait_for_function(PAINT)
    return float(page.evaluate(PAINT)) / 1000


def lasted(page: Any, act: Callable[[], None], drawn: bool = False) -> float:
    """Return the seconds that an interaction takes."""
    began = time.perf_counter()
    act()
    if drawn:
        page.evaluate(NEXT_FRAME)
        page.wait_for_function(DRAWN)
    page.evaluate(NEXT_FRAME)
    return time.perf_counter() - began


def site(folder: Path) -> Path:
    """Return the site, built without executing its tutorials."""
    words = ["-q", "-b", "html", "-D", "nb_execution_mode=off", "-d", str(folder / "trees"), "docs"]
    subprocess.run([sys.executable, "-m", "sphinx", *words, str(folder / "site")], cwd=ROOT, check=True)
    return folder / "site"


def report(folder: Path) -> Path:
    """Return the report of ten runs of the simulated study."""
    import calque
    from tests.phases_cube import study

    made = calque.detect(study(runs=10, n=40)[0], metric=["copying", "translation"], boot=19)
    made.to_html(folder / "report.html")
    return folder / "report.html"


@contextmanager
def explored(folder: Path) -> Iterator[str]:
    """Serve explore over the large cube and yield its address."""
    from tests.benchmarks.explore import make

    make(folder / "large.nc")
    words = [sys.executable, "-m", "calque.phases.cli", "explore", str(folder / "large.nc"), "--no-browser"]
    run = subprocess.Popen([*words, "--json", "-"], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    text = ""
    while not text.rstrip().endswith("}"):
        text += run.stdout.readline()
    try:
        yield json.loads(text)["address"]
    finally:
        run.terminate()
        run.wait()


def of_explore(page: Any) -> dict[str, float]:
    """Return the seconds of what a person does in explore, in order."""

    def tab(name: str) -> Callable[[], None]:
        return lambda: page.get_by_role("tab", name=name).click()

    def menu(label: str, value: str) -> Callable[[], None]:
        return lambda: page.get_by_label(label, exact=True).first.select_option(value)

    steps: dict[str, Callable[[], None]] = {
        "explore: linear tokens": menu("token axis", "linear"), "explore: by target": menu("parts", "target"),
        "explore: whole again": menu("parts", "whole"), "explore: pairs": tab("Pairs"), "explore: words": tab("Words"),
        "explore: loss and compute": tab("Loss and compute"), "explore: runs": tab("Runs"),
    }  # fmt: skip
    return {name: lasted(page, act, drawn=True) for name, act in steps.items()}


def measure(rounds: int) -> dict[str, list[float]]:
    """Return seconds by what was done, one a round."""
    from playwright.sync_api import sync_playwright

    from tests.browser import BROWSER

    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        pages, html = site(folder), report(folder)
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"] if os.getuid() == 0 else [])

        def opened() -> Any:
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.set_default_timeout(120_000)
            return page

        with explored(folder) as address:
            for _ in range(rounds):
                once: dict[str, float] = {}
                for part in PAGES:
                    page = opened()
                    once[f"site, {part}: first paint"] = painted(page, (pages / f"{part}.html").as_uri())
                    page.context.close()
                page = opened()
                once["report: first paint"] = painted(page, html.as_uri())
                head = page.locator("table.sorts th").first
                once["report: table sorted"] = lasted(page, head.click)
                fold = page.locator("summary").first
                once["report: words unfolded"] = lasted(page, fold.click)
                page.context.close()
                page = opened()
                once["explore: first paint"] = painted(page, address)
                page.wait_for_function(DRAWN)
                once["explore: first picture"] = float(page.evaluate("() => performance.now()")) / 1000
                once |= of_explore(page)
                page.context.close()
                for what, seconds in once.items():
                    found.setdefault(what, []).append(seconds)
        browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    found = measure(given.rounds)
    data = {
        "command": "python -m tests.benchmarks.browser", "date": time.strftime("%Y-%m-%d"), "load": round(load, 2),
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "seconds": found,
    }  # fmt: skip
    (given.out / "browser.json").write_text(json.dumps(data, indent=1) + "\n")
    lines = [
        "# How long pages take in a browser", "", (__doc__ or "").split("\n\n")[1].strip(), "",
        f"`{data['command']}`, {data['date']}, {os.cpu_count()} cores, load {load:.1f} at the start.", "",
        f"| seconds | median of {given.rounds} | range |", "|---|---|---|",
        *(
            f"| {what} | {sorted(all_)[len(all_) // 2]:.2f} | {min(all_):.2f} to {max(all_):.2f} |"
            for what, all_ in found.items()
        ),
        "",
    ]  # fmt: skip
    (given.out / "browser.md").write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()

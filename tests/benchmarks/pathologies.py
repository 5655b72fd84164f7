"""Logs that mislead a detector, and what the report says of them: falls, repeats, noise, dips, schedules, power.

``python -m tests.benchmarks.pathologies`` simulates the cells ``pathology/*`` of the standard suite as logs of one run
and asks ``phases detect`` about each. Every cell has its figures (delayed starts found, takeoffs given, coverage of
those), what it is held to, and a verdict. Finished blocks are kept in ``--out``: the command goes on where it was
stopped, and with ``--cells 'falls/*' --cells 'dip/*'`` in parts; the table has all cells that the file holds. What the
best possible test of a delayed start finds in ``power/*`` is in ``python -m tests.benchmarks.efficiency``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from calque.data.errors import UserError
from calque.phases.calibration.cells import Cell, chosen
from calque.phases.calibration.grids import markdown
from calque.phases.calibration.outcomes import Options
from calque.phases.calibration.run import missing, run
from calque.phases.calibration.store import Store
from calque.phases.calibration.tables import suite_grids, suite_json, suite_notes

PREFIX = "pathology/"
TABLE = Path("docs/benchmarks/pathologies.json")


def finished(cell: Cell, store: Store) -> int:
    """Return how many replicates of a cell are in the store without a gap."""
    n = 0
    while (block := next((b for b in store.blocks if b.cell == cell.name and b.first == n), None)) is not None:
        n += block.n
    return n


def table(store: Store, options: Options, path: Path) -> str:
    """Write all finished cells of the store as JSON, and beside it as Markdown, which is returned."""
    cells = chosen("standard", [f"{PREFIX}*"])
    store.take(cells)
    results = [one for c in cells if (n := finished(c, store)) for one in run([c], options, replicates=n, store=store)]
    text = markdown(list(suite_grids(results)), suite_notes(results, "standard", options, store.unused)) + "\n"
    path.write_text(json.dumps(suite_json(results, "standard", options), indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    return text


def main(words: Sequence[str] | None = None) -> int:
    """Simulate what is missing, and write the table after each cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=200, help="simulated logs a cell")
    parser.add_argument("--replicates", type=int, default=199, help="bootstrap replicates a series")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cells", action="append", metavar="GLOB", help="cells, such as 'falls/*'; repeatable")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("pathologies.jsonl"), help="file of finished blocks")
    parser.add_argument("--table", type=Path, default=TABLE, help="JSON file; the Markdown goes beside it")
    given = parser.parse_args(words)
    if given.series < 1:
        parser.error(f"--series is {given.series}; expected 1 or more")
    options = Options(seed=given.seed, boot=given.replicates)
    try:
        cells = chosen("standard", [PREFIX + pattern.removeprefix(PREFIX) for pattern in given.cells or ["*"]])
        store = Store(given.out, options)
    except UserError as error:
        parser.error(str(error))
    store.take(cells)
    for cell in cells:
        if missing(cell, given.series, store):
            print(f"{cell.name}: {given.series} series", file=sys.stderr, flush=True)
            run([cell], options, replicates=given.series, store=store, jobs=given.jobs)
            table(store, options, given.table)
    print(table(store, options, given.table))
    return 0


if __name__ == "__main__":
    sys.exit(main())

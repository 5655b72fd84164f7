"""The table of the quick study in docs/STUDY.md, from the answer that others are compared with: ``make generated``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from calque.phases.wording import estimate_words, ratio_words

DOCS = Path(__file__).parents[1]
AGREED, PAGE = DOCS / "findings/quick.json", DOCS / "STUDY.md"
BEGIN, END = "<!-- from findings/quick.json: make generated -->\n", "<!-- end -->"
METRICS = {"copying": "copying", "false_copying": "false copying", "translation": "translation"}


def table(found: dict[str, Any]) -> str:
    """Return the takeoffs of each run of the world, and how much later translation is than copying.

    Parameters
    ----------
    found : dict
        JSON of ``phases detect``.
    """
    takeoffs = {(t["run"], t["metric"]): t for t in found["transitions"] if t["estimand"] == "takeoff"}
    lags = {lag["run"]: lag for lag in found["lags"] if (lag["first"], lag["second"]) == ("copying", "translation")}
    runs = [run for run in dict.fromkeys(run for run, _ in takeoffs) if run != "sample"]
    lines = [f"| run | {' | '.join(METRICS.values())} | translation / copying |", "|---" * (len(METRICS) + 2) + "|"]
    for run in runs:
        rows = [takeoffs[run, metric] for metric in METRICS]
        cells = [estimate_words(t["tokens"], t["low"], t["high"], t["outcome"]) for t in rows]
        lag = lags[run]
        factors = [None if lag[end] is None else math.exp(lag[end]) for end in ("log_ratio", "low", "high")]
        lines.append(f"| `{run}` | {' | '.join(cells)} | {ratio_words(*factors, lag['outcome'])} |")
    return "\n".join(lines)


def written(page: str, made: str) -> str:
    """Return a ``page`` with a table (``made``) between its markers."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}{made}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    made = table(json.loads(AGREED.read_text(encoding="utf-8")))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")

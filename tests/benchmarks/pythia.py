"""Pythia's published evaluations, given a folder: takeoffs, adjusted outcomes and roll-outs.

``python -m tests.benchmarks.pythia FOLDER`` reads the zero-shot results of EleutherAI's repository
(``evals/pythia-v1``, one JSON a checkpoint, as lm-evaluation-harness writes them). FOLDER is that folder, or the
repository. They are not part of this repository. For every task it prints whether a delayed start is found in each
size, with p and adjusted p (over all tests of the table), and takeoff; then what the laws forecast for sizes that are
left out, from the smaller ones. ``-o FILE`` keeps the tables as JSON, and beside it as Markdown.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

import calque
from calque.data.errors import UserError
from calque.data.quantities import format_count, format_p
from calque.phases.wording import delay_outcome, location
from calque.scaling.forecast.suite_rollouts import suite_rollouts

STEP = 2_097_152
PARAMETERS = {
    "70m": 18_915_328, "160m": 85_056_000, "410m": 302_311_424, "1b": 805_736_448, "1.4b": 1_208_602_624,
    "2.8b": 2_517_652_480, "6.9b": 6_444_163_072, "12b": 11_327_027_200,
}  # fmt: skip
"""Non-embedding parameters, from the authors' table."""
NAME = re.compile(r"(?:.*/)?pythia(?:-v[\d.]+)?-([\d.]+[mb])(?:-bf16)?(-deduped)?")
HALF_WIDTH = 1.645
"""Standard deviations of a 90 % interval."""


def results_of(folder: Path) -> Path:
    """Return the folder with a folder a size: the given one, or the one in the layout of the repository."""
    for inner in (".", "evals/pythia-v1", "pythia-v1"):
        if any((folder / inner).glob("pythia-*/zero-shot/*.json")):
            return folder / inner
    raise UserError(
        f"{folder} has no pythia-SIZE/zero-shot/*.json; expected the folder evals/pythia-v1, or what has it"
    )


def tasks_of(folder: Path) -> list[str]:
    """Return the tasks with an accuracy that the first result of every size has, by name."""
    found: list[set[str]] = []
    for size in sorted(folder.glob("pythia-*/zero-shot")):
        results = json.loads(sorted(size.glob("*.json"))[0].read_text(encoding="utf-8"))["results"]
        found.append({task for task, values in results.items() if "acc" in values or "acc,none" in values})
    return sorted(set.intersection(*found))


def suite(cube: xr.Dataset, deduped: bool) -> dict[str, int]:
    """Return the runs of one suite with their parameters, the smallest first; one of each size."""
    found: dict[str, str] = {}
    for run in map(str, cube["run"].values):
        match = NAME.fullmatch(run)
        if match and match[1] in PARAMETERS and bool(match[2]) == deduped:
            found.setdefault(match[1], run)
    return {found[size]: n for size, n in PARAMETERS.items() if size in found}


def measured(folder: Path, tasks: Sequence[str] | None, deduped: bool, boot: int, seed: int) -> dict[str, Any]:
    """Return takeoffs and roll-outs of every task as plain values."""
    results = results_of(folder)
    metrics = [f"{task}/acc" for task in tasks or tasks_of(results)]
    made = calque.import_log(results, metric=metrics, format="lm-eval", tokens_per_step=STEP, shots=0)
    runs = suite(made.cube, deduped)
    if not runs:
        names = ", ".join(map(str, made.cube["run"].values[:4]))
        raise UserError(f"{folder} has runs such as {names}; expected models of Pythia, pythia-70m to pythia-12b")
    cube = made.cube.sel(run=list(runs))
    report = calque.detect(cube, metric=metrics, boot=boot, seed=seed).report
    takeoffs = []
    for metric in metrics:
        for run, n in runs.items():
            delay, takeoff = (report.of(run, metric, name) for name in ("delay", "takeoff"))
            assert delay is not None and takeoff is not None
            takeoffs.append({
                "metric": metric, "run": run, "n": n, "checkpoints": delay.n_checkpoints,
                "delayed_start": delay_outcome(delay), "p": delay.p_value, "p_adjusted": delay.p_adjusted,
                "takeoff": location(takeoff), "tokens": takeoff.tokens, "low": takeoff.low, "high": takeoff.high,
                "outcome": takeoff.outcome.value,
            })  # fmt: skip
    rolled = [row for metric in metrics for row in _rollouts(cube, metric, runs, boot, seed)]
    return {"schema": 1, "deduped": deduped, "replicates": boot, "seed": seed, "takeoffs": takeoffs, "rollouts": rolled,
            "notes": [*made.notes, *report.notes]}  # fmt: skip


def _rollouts(cube: xr.Dataset, metric: str, runs: dict[str, int], boot: int, seed: int) -> list[dict[str, Any]]:
    """Return the sizes left out, by law: takeoff, forecast from the smaller sizes, and whether its interval held it.

    By each law the next size; by the average of the laws, which is the forecast to use, the largest one to three.
    """
    found = calque.forecast(cube, metric=metric, size=max(runs.values()), params=runs, boot=boot, seed=seed)
    rows = [
        {"metric": metric, "law": law, "n": row["n"], "tokens": row["tokens"], "forecast": row["forecast"],
         "error": (error := math.log(row["forecast"] / row["tokens"])), "held": abs(error) <= HALF_WIDTH * row["sd"]}
        for law, errors in found.to_dict()["rollouts"].items()
        for row in errors
        if law != "average"
    ]  # fmt: skip
    try:
        largest = suite_rollouts(found.observations)
    except UserError:
        return rows
    return rows + [{"metric": metric, "law": "average"} | held.to_dict() for held in largest]


def markdown(found: dict[str, Any]) -> str:
    """Return the tables."""
    lines = [
        "| task | size | checkpoints | delayed start | p | adjusted p | takeoff |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {t['metric']} | {format_count(t['n'])} | {t['checkpoints']} | {t['delayed_start']} | {format_p(t['p'])} | "
        f"{format_p(t['p_adjusted'])} | {t['takeoff']} |"
        for t in found["takeoffs"]
    ]
    late = [t for t in found["takeoffs"] if t["delayed_start"].startswith("found")]
    kept = sum(t["p_adjusted"] is not None and t["p_adjusted"] <= 0.05 for t in late)
    said = f"{len(late)} of {len(found['takeoffs'])} delayed starts found, {kept} of these with adjusted p up to .05."
    lines += ["", said]
    if found["rollouts"]:
        lines += ["", "| task | law | sizes left out | mean ln(forecast / takeoff) | early | 90 % interval held |",
                  "|---|---|---|---|---|---|"]  # fmt: skip
    for metric, law in dict.fromkeys((r["metric"], r["law"]) for r in found["rollouts"]):
        rows = [r for r in found["rollouts"] if (r["metric"], r["law"]) == (metric, law)]
        error, early, held = (sum(values) for values in zip(
            *((r["error"], r["error"] < 0, r["held"]) for r in rows), strict=True))  # fmt: skip
        lines.append(f"| {metric} | {law} | {len(rows)} | {error / len(rows):.3f} | {early} | {held} |")
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> int:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--task", action="append", metavar="NAME", help="repeatable; by default all with an accuracy")
    parser.add_argument("--deduped", action="store_true", help="the suite trained on deduplicated text")
    parser.add_argument("--replicates", type=int, default=999)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, help="JSON file; the tables go beside it as Markdown")
    given = parser.parse_args(words)
    try:
        found = measured(given.folder, given.task, given.deduped, given.replicates, given.seed)
    except UserError as error:
        parser.error(str(error))
    text = markdown(found)
    print(text)
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        given.out.with_suffix(".md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

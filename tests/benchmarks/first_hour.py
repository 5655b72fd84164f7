"""The first hour on a device: everything that only a device can show, in one script of at most 12 minutes.

``python -m tests.benchmarks.first_hour`` on a machine with a GPU. Stages run one after the other, each in a process of
its own: one that fails or takes too long is told and costs the others nothing. What a stage found is written at once to
``docs/benchmarks/first_hour.json`` and ``.md``. ``--device cpu`` runs the same stages with tiny shapes in this process,
to show that the script works: its numbers say nothing of a GPU.

Stages: ``backends`` (attention's first and later calls), ``head`` (loss and gradients of the output projection against
float32), ``training`` (tokens/s, utilisation and peak memory of the largest size, beside transformers and litgpt),
``sharded`` (the same step through fsdp2 on a mesh of one process), ``small`` (tokens/s of smaller sizes), ``scoring``
(a checkpoint of the largest size), ``resume`` (a run on real text, stopped and resumed).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import first_hour_stages as stages
from tests.benchmarks.first_hour_forms import FORMS, REAL

BUDGET_SECONDS = 720.0
LONGEST_STAGE = 300.0
MOST_PEAK_OFF, MOST_SHARDED_OFF, MOST_SCORING_SECONDS = 0.10, 0.03, 30.0
LEAST_UTILISATION, LEAST_RATIO = 0.45, 1.1
MOST_LOSS_OFF, MOST_GRADIENT_OFF = 1e-3, 1e-2


@dataclass(frozen=True, kw_only=True)
class Aim:
    """One thing that is to be shown: what was found, what is aimed at, and whether it holds; None: not measured."""

    what: str
    found: str
    aim: str
    holds: bool | None


def aims(found: dict[str, Any]) -> list[Aim]:
    """Return what the stages showed, beside what is aimed at."""

    def aim(stage: str, what: str, said: str, wanted: str, test: Any) -> Aim:
        values = found["stages"].get(stage, {})
        if "error" in values or not values:
            return Aim(what=what, found=values.get("error", "not measured"), aim=wanted, holds=None)
        return Aim(what=what, found=said.format(**values), aim=wanted, holds=bool(test(values)))

    return [
        aim("head", "loss of the head against float32", "{loss_off:.1e}", f"at most {MOST_LOSS_OFF:g}",
            lambda v: v["loss_off"] <= MOST_LOSS_OFF),
        aim("head", "gradients of the head against float32", "{gradient_off:.1e}", f"at most {MOST_GRADIENT_OFF:g}",
            lambda v: v["gradient_off"] <= MOST_GRADIENT_OFF),
        aim("training", "model FLOPs of the largest size, share of the peak", "{utilisation:.1%}",
            f"at least {LEAST_UTILISATION:.0%}", lambda v: v["utilisation"] >= LEAST_UTILISATION),
        aim("training", "tokens/s over the best peer", "{ratio:.2f}", f"at least {LEAST_RATIO}",
            lambda v: v["ratio"] >= LEAST_RATIO),
        aim("training", "computed over measured peak memory", "{computed_over_peak:.2f}", f"within {MOST_PEAK_OFF:.0%}",
            lambda v: abs(v["computed_over_peak"] - 1) <= MOST_PEAK_OFF),
        aim("sharded", "tokens/s through fsdp2 over those without", "{ratio:.3f}", f"within {MOST_SHARDED_OFF:.0%}",
            lambda v: abs(v["ratio"] - 1) <= MOST_SHARDED_OFF),
        aim("scoring", "seconds to score a checkpoint of the largest size", "{seconds:.1f}",
            f"at most {MOST_SCORING_SECONDS:g}", lambda v: v["seconds"] <= MOST_SCORING_SECONDS),
        aim("resume", "a run on real text, stopped and resumed", "stopped at step {stopped} of {steps}, ended {state}",
            "ended done", lambda v: v["state"] == "done" and 0 < v["stopped"] < v["steps"]),
    ]  # fmt: skip


def markdown(found: dict[str, Any]) -> str:
    """Return what was found as a page."""
    on = found["machine"]
    lines = [
        f"# The first hour on {on['device']}\n",
        f"torch {on['torch']}, CUDA {on['cuda'] or 'none'}, transformers {on['transformers']}, litgpt "
        f"{on['litgpt'] or 'not installed'}; {found['form']}; {found['seconds']:.0f} s in all.\n",
        "| what | found | aim | holds |",
        "|---|---|---|---|",
    ]
    said = {True: "yes", False: "no", None: "not measured"}
    if found["form"] != REAL:
        said |= {True: "(tiny)", False: "(tiny)"}  # an aim of a GPU says nothing here
    lines += [f"| {each.what} | {each.found} | {each.aim} | {said[each.holds]} |" for each in aims(found)]
    for name, values in found["stages"].items():
        lines += [f"\n## {name}\n", "| | |", "|---|---|"]
        lines += [f"| {key} | {stages.shown(value)} |" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def isolated(name: str, device: str, seconds: float) -> dict[str, Any]:
    """Run a stage in a process of its own for at most so many ``seconds``; an error is its result."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        command = [sys.executable, "-m", "tests.benchmarks.first_hour", "--device", device, "--stage", name]
        try:
            done = subprocess.run(
                [*command, "-o", str(path)], timeout=seconds, stderr=subprocess.PIPE, text=True, check=False
            )
        except subprocess.TimeoutExpired:
            return {"error": f"took more than {seconds:.0f} s"}
        if done.returncode or not path.exists():
            return {"error": (done.stderr.strip().splitlines() or ["no reason is known"])[-1][:300]}
        return dict(json.loads(path.read_text()))


def here(name: str, device: str) -> dict[str, Any]:
    """Run a stage in this process."""
    began = time.monotonic()
    return {**stages.STAGES[name](FORMS[device]), "stage_seconds": time.monotonic() - began}


def run(device: str, names: list[str], out: Path) -> dict[str, Any]:
    """Run the stages one after the other, write what each found at once, and return all."""
    began = time.monotonic()
    found: dict[str, Any] = {"machine": stages.machine(device), "form": FORMS[device].name, "stages": {}}
    for name in names:
        left = BUDGET_SECONDS - (time.monotonic() - began)
        if left < 20:
            found["stages"][name] = {"error": f"not begun: the {BUDGET_SECONDS:.0f} s were over"}
        elif device == "cpu":
            found["stages"][name] = here(name, device)
        else:
            found["stages"][name] = isolated(name, device, min(left, LONGEST_STAGE))
        found["seconds"] = time.monotonic() - began
        print(f"{name}: {json.dumps(found['stages'][name])}", flush=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=1) + "\n")
        out.with_suffix(".md").write_text(markdown(found))
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=tuple(FORMS), default="cuda")
    parser.add_argument("--stages", nargs="+", choices=tuple(stages.STAGES), default=list(stages.STAGES))
    parser.add_argument("--stage", choices=tuple(stages.STAGES), help="this one alone, in this process, to the file")
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/benchmarks/first_hour.json"))
    given = parser.parse_args(arguments)
    if given.stage is not None:
        given.out.write_text(json.dumps(here(given.stage, given.device)))
        return 0
    found = run(given.device, given.stages, given.out)
    print(markdown(found))
    return 1 if any("error" in values for values in found["stages"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())

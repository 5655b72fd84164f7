"""The first hour on a device: everything that only a device can show, in one script of at most 12 minutes.

``python -m tests.benchmarks.first_hour`` on a machine with a GPU. Stages run one after the other, each in a process of
its own and with seconds of its own (:data:`BUDGET`; what one leaves goes to the next): one that fails or takes too long
is told and costs the others nothing. What a stage found is written at once to ``docs/benchmarks/first_hour.json`` and
``.md``. ``--device cpu`` runs the same stages with tiny shapes in this process, to show that the script works: its
numbers say nothing of a GPU.

Stages: ``backends`` (attention's first and later calls), ``head`` (loss and gradients of the output projection against
float32), ``training`` (tokens/s, utilisation and peak memory of the largest size), ``sharded`` (the same step through
fsdp2 on a mesh of one process), ``scoring`` (a checkpoint of the largest size), ``small`` (tokens/s of smaller sizes),
``resume`` (a run on real text, stopped and resumed), ``transformers`` and ``litgpt`` (their tokens/s at the largest
size), ``float8`` (products of float8 against bfloat16's, and tokens/s with them).

It needs torch 2.9 and the packages of the extra ``train``, and says in one line what is missing. Where
Calque is not installed, ``PYTHONPATH=.venv/src`` finds it. A torch older than the one that is supported is noted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

BUDGET = {
    "backends": 30.0, "head": 35.0, "training": 110.0, "sharded": 100.0, "scoring": 75.0, "small": 80.0,
    "resume": 60.0, "transformers": 130.0, "litgpt": 50.0, "float8": 50.0,
}  # fmt: skip
"""Seconds of each stage, in the order in which they run: twelve minutes in all."""
PACKAGES = (
    "calque", "torch", "lightning", "safetensors", "tokenizers", "mistral_common", "transformers", "xarray", "netCDF4",
    "pydantic", "typer", "filelock", "platformdirs", "anyascii", "scipy",
)  # fmt: skip
"""What the stages import."""
OLDEST_TORCH, SUPPORTED_TORCH = (2, 9), (2, 13)
REAL = "the sizes of the study"
MOST_PEAK_OFF, MOST_SHARDED_OFF, MOST_SCORING_SECONDS = 0.10, 0.03, 30.0
LEAST_UTILISATION, LEAST_RATIO = 0.45, 1.1
MOST_LOSS_OFF, MOST_GRADIENT_OFF = 1e-3, 1e-2
MOST_FLOAT8_OFF = 1e-2
PEERS = ("transformers", "litgpt")


@dataclass(frozen=True, kw_only=True)
class Aim:
    """One thing that is to be shown: what was found, what is aimed at, and whether it holds; None: not measured."""

    what: str
    found: str
    aim: str
    holds: bool | None


def aims(found: dict[str, Any]) -> list[Aim]:
    """Return what the stages showed, beside what is aimed at."""
    stages = dict(found["stages"])
    peers = [stages[name]["tokens_per_second"] for name in PEERS if "tokens_per_second" in stages.get(name, {})]
    if peers and "tokens_per_second" in stages.get("training", {}):
        stages["beside"] = {"ratio": stages["training"]["tokens_per_second"] / max(peers)}

    def aim(stage: str, what: str, said: str, wanted: str, test: Any) -> Aim:
        values = stages.get(stage, {})
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
        aim("beside", "tokens/s over the best peer", "{ratio:.2f}", f"at least {LEAST_RATIO}",
            lambda v: v["ratio"] >= LEAST_RATIO),
        aim("training", "computed over measured peak memory", "{computed_over_peak:.2f}", f"within {MOST_PEAK_OFF:.0%}",
            lambda v: abs(v["computed_over_peak"] - 1) <= MOST_PEAK_OFF),
        aim("sharded", "tokens/s through fsdp2 over those without", "{ratio:.3f}", f"within {MOST_SHARDED_OFF:.0%}",
            lambda v: abs(v["ratio"] - 1) <= MOST_SHARDED_OFF),
        aim("scoring", "seconds to score a checkpoint of the largest size", "{seconds:.1f}",
            f"at most {MOST_SCORING_SECONDS:g}", lambda v: v["seconds"] <= MOST_SCORING_SECONDS),
        aim("resume", "a run on real text, stopped and resumed", "stopped at step {stopped} of {steps}, ended {state}",
            "ended done", lambda v: v["state"] == "done" and v["every_step_once"] and 0 < v["stopped"] < v["steps"]),
        aim("float8", "float8: products against those of the rounded factors", "{most_off:.1e}",
            f"at most {MOST_FLOAT8_OFF:g}",
            lambda v: v["most_off"] <= MOST_FLOAT8_OFF),
    ]  # fmt: skip


def markdown(found: dict[str, Any]) -> str:
    """Return what was found as a page."""
    on = found["machine"]
    lines = [
        f"# The first hour on {on['device']}\n",
        f"torch {on['torch']}, CUDA {on['cuda'] or 'none'}, transformers {on['transformers']}, litgpt "
        f"{on['litgpt'] or 'not installed'}; {found['form']}; {found['seconds']:.0f} s in all.\n",
        *([f"{on['note']}\n"] if on["note"] else []),
        "| what | found | aim | holds |",
        "|---|---|---|---|",
    ]
    said = {True: "yes", False: "no", None: "not measured"}
    if found["form"] != REAL:
        said |= {True: "(tiny)", False: "(tiny)"}  # an aim of a GPU says nothing here
    lines += [f"| {each.what} | {each.found} | {each.aim} | {said[each.holds]} |" for each in aims(found)]
    for name, values in found["stages"].items():
        lines += [f"\n## {name}\n", "| | |", "|---|---|"]
        lines += [f"| {key} | {shown(value)} |" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def shown(value: Any) -> str:
    """Return a value of a stage for a table."""
    if isinstance(value, dict):
        return "; ".join(f"{key} {shown(inner)}" for key, inner in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def isolated(name: str, device: str, seconds: float) -> dict[str, Any]:
    """Run a stage in a process of its own for at most so many ``seconds``; an error is its result."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        command = [sys.executable, "-m", "tests.benchmarks.first_hour", "--device", device, "--stage", name]
        process = subprocess.Popen(
            [*command, "-o", str(path)], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            _, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with what it started: the compiler's workers, a run
            process.communicate()
            return {"error": f"took more than {seconds:.0f} s"}
        if process.returncode or not path.exists():
            return {"error": (said.strip().splitlines() or ["no reason is known"])[-1][:300]}
        return dict(json.loads(path.read_text()))


def here(name: str, device: str) -> dict[str, Any]:
    """Run a stage in this process."""
    from tests.benchmarks.first_hour_forms import FORMS
    from tests.benchmarks.first_hour_stages import STAGES

    began = time.monotonic()
    return {**STAGES[name](FORMS[device]), "stage_seconds": time.monotonic() - began}


def run(device: str, names: list[str], out: Path) -> dict[str, Any]:
    """Run the stages one after the other, write what each found at once, and return all."""
    from tests.benchmarks.first_hour_forms import FORMS, machine

    began, allowed = time.monotonic(), 0.0
    found: dict[str, Any] = {"machine": machine(device), "form": FORMS[device].name, "stages": {}}
    found["machine"]["note"] = older(found["machine"]["torch"])
    for name in names:
        allowed += BUDGET[name]
        if device == "cpu":
            found["stages"][name] = here(name, device)
        else:
            found["stages"][name] = isolated(name, device, allowed - (time.monotonic() - began))
        found["seconds"] = time.monotonic() - began
        print(f"{name}: {json.dumps(found['stages'][name])}", flush=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=1) + "\n")
        out.with_suffix(".md").write_text(markdown(found))
    return found


def _numbers(torch_version: str) -> tuple[int, ...]:
    return tuple(map(int, torch_version.split("+")[0].split(".")[:2]))


def older(torch_version: str) -> str:
    """Return a sentence for the page where ``torch_version`` is older than the one that is supported."""
    if _numbers(torch_version) >= SUPPORTED_TORCH:
        return ""
    return f"torch {torch_version} is older than {'.'.join(map(str, SUPPORTED_TORCH))}, the oldest that is supported."


def refusal(device: str) -> str | None:
    """Return in one line why the stages cannot run here, or None."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        return (
            f"{', '.join(missing)} cannot be imported here; install Calque with its extra: pip install '.[train]' (or "
            "set PYTHONPATH=.venv/src where only calque is missing)"
        )
    try:
        found = version("torch")
    except PackageNotFoundError:
        found = "0.0"
    if _numbers(found) < OLDEST_TORCH:
        return f"torch is {found}; expected {'.'.join(map(str, OLDEST_TORCH))} or newer, which has Muon"
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        return f"torch {found} sees no GPU here; `--device cpu` shows with tiny shapes that the script works"
    return None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--stages", nargs="+", choices=tuple(BUDGET), default=list(BUDGET))
    parser.add_argument("--stage", choices=tuple(BUDGET), help="this one alone, in this process, to the file")
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/benchmarks/first_hour.json"))
    given = parser.parse_args(arguments)
    if why := refusal(given.device):
        print(f"first_hour: {why}", file=sys.stderr)
        return 2
    if given.stage is not None:
        given.out.write_text(json.dumps(here(given.stage, given.device)))
        return 0
    found = run(given.device, given.stages, given.out)
    print(markdown(found))
    return 1 if any("error" in values for values in found["stages"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())

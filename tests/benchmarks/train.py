"""Training speed beside ``transformers`` and litgpt: the same shape, precision, batch, threads and optimizer.

``python -m tests.benchmarks.train`` trains on the CPU at widths 64 to 512; ``--device cuda --size 1.7b`` on a GPU, the
real size at context 4096 in ``bf16-mixed``. Every contestant runs in a process of its own: in turns on a CPU, one after
the other on a GPU. Speeds are medians over rounds, a ratio is the median round's. Writes
``docs/benchmarks/training.json`` and ``.md``. Keep the machine idle.

litgpt's own pins exclude these versions; it takes part where it can be imported
(``pip install --no-deps litgpt jsonargparse psutil tqdm``).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import platform
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from calque.models.config.devices import DEVICES
from calque.models.config.memory import logits_at_once, memory
from calque.models.config.sizes import DecoderConfig, size
from calque.models.config.training import PRECISIONS, TrainingConfig
from tests.benchmarks.train_contestants import CONTESTANTS, Task, worker

CONTEXT, BATCH, VOCABULARY, ROUNDS = 128, 8, 512, 7
PRELOADED = [
    "tests.benchmarks.train_contestants", "transformers.models.llama.modeling_llama", "torch._inductor.compile_fx",
]  # fmt: skip


def at_width(width: int) -> DecoderConfig:
    """Return a Llama shape for the CPU: heads of 32, half as many for keys, SwiGLU of 2.75 widths."""
    return DecoderConfig(
        width=width, layers=3 if width < 512 else 6, heads=width // 32, kv_heads=width // 64,
        ffn_width=width * 11 // 4, vocab_size=VOCABULARY,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contestant at one shape: speed, what ours is over it (like with like; ours compiled), memory, utilisation."""

    shape: str
    threads: int
    contestant: str
    tokens_per_second: float
    low: float
    high: float
    ours_over_it: float
    compiled_over_it: float
    peak_bytes: int
    computed_bytes: int
    utilisation: float
    first_step_seconds: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a contestant did: seconds of its first step, tokens/s of each round, peak bytes."""

    first: float
    speeds: list[float]
    peak: int


def compete(task: Task, names: list[str], rounds: int, seconds: float) -> dict[str, Measured]:
    """Let the contestants take turns, each in a process of its own; all live at once."""
    context = multiprocessing.get_context("forkserver")  # imports once, before any thread or device is there
    context.set_forkserver_preload(PRELOADED)
    pipes: dict[str, Any] = {}
    processes: dict[str, Any] = {}
    first: dict[str, float] = {}
    for name in names:
        here, there = context.Pipe()
        processes[name] = context.Process(target=worker, args=(name, task, there), daemon=True)
        processes[name].start()
        there.close()  # so that the end of the process is an error here
        pipes[name] = here
        first[name] = here.recv()
    speeds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            pipes[name].send(seconds)
            speeds[name].append(pipes[name].recv())
    found = {}
    for name in names:
        pipes[name].send(None)
        found[name] = Measured(first=first[name], speeds=speeds[name], peak=pipes[name].recv())
        processes[name].join()
    return found


def measure(task: Task, shape: str, rounds: int, seconds: float, peak: float) -> list[Row]:
    """Measure all contestants: in turns on a CPU; on a GPU, whose memory holds one, one after the other."""
    names = [name for name in CONTESTANTS if importlib.util.find_spec(CONTESTANTS[name].needs)]
    groups = [[name] for name in names] if task.device == "cuda" else [names]
    measured: dict[str, Measured] = {}
    for group in groups:
        measured |= compete(task, group, rounds, seconds)
    speeds = {name: each.speeds for name, each in measured.items()}
    chunk = max(1, logits_at_once(task.device) // (4 * task.shape.vocab_size))
    config = TrainingConfig(tokens=task.rows * task.context, context=task.context, batch_size=task.rows,
                            precision=task.precision, warmup_tokens=0)  # fmt: skip
    floor = memory(task.shape, config, rows=task.rows, shards=1, head_tokens=chunk).total
    flops = task.shape.flops_per_token(task.context)
    rows = []
    for name in names:
        ours = "ours, compiled" if "compiled" in name else "ours, eager"
        like, best = (
            statistics.median(a / b for a, b in zip(speeds[mine], speeds[name], strict=True))
            for mine in (ours, "ours, compiled")
        )
        rows.append(Row(
            shape=shape, threads=task.threads, contestant=name, tokens_per_second=statistics.median(speeds[name]),
            low=min(speeds[name]), high=max(speeds[name]), ours_over_it=like, compiled_over_it=best,
            peak_bytes=measured[name].peak, computed_bytes=floor,
            utilisation=statistics.median(speeds[name]) * flops / peak, first_step_seconds=measured[name].first,
        ))  # fmt: skip
    return rows


def peak_of(device: str, threads: int) -> float:
    """Return peak FLOP/s: of a float32 product of 2048^3 measured on this CPU, or a GPU's by its datasheet."""
    if device == "cpu":
        return measured_peak(threads)
    name = torch.cuda.get_device_name().lower()
    known = [word for word in DEVICES if word in name]
    if not known:
        raise SystemExit(f"no peak is known for '{name}'; add it to models/config/devices.py")
    return DEVICES[known[0]].bf16


def measured_peak(threads: int) -> float:
    """Return FLOP/s of the best of ten products."""
    import time

    from calque.models.decoder.linear import linear

    torch.set_num_threads(threads)
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048, requires_grad=True)
    best = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        linear(a, b)
        best = min(best, time.perf_counter() - began)
    return 2 * 2048**3 / best


def machine(device: str) -> dict[str, Any]:
    """Return what the numbers were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    versions = {name: _version(name) for name in ("torch", "transformers", "litgpt", "lightning", "numpy")}
    return {
        "processor": ", ".join(named) or platform.machine(), "cores": os.cpu_count(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "load_at_start": os.getloadavg()[0], "python": platform.python_version(), **versions,
    }  # fmt: skip


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


COLUMNS = (
    "shape", "threads", "contestant", "tokens/s (range)", "ours over it, like with like", "ours compiled over it",
    "utilisation", "peak memory / computed, MB", "first step, s",
)  # fmt: skip


def markdown(found: dict[str, Any]) -> str:
    """Return the measurements as a table."""
    on = found["machine"]
    lines = [
        f"{on['gpu'] or on['processor']}, {on['cores']} cores, {on['vectors']}, load {on['load_at_start']:.1f} at the "
        f"start; torch {on['torch']}, transformers {on['transformers']}, litgpt {on['litgpt'] or 'not installed'}. "
        f"{found['batch']}, {found['rounds']} rounds.\n",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
    ]
    for r in found["rows"]:
        cells = (
            r["shape"], r["threads"], r["contestant"],
            f"{r['tokens_per_second']:,.0f} ({r['low']:,.0f} to {r['high']:,.0f})", f"{r['ours_over_it']:.2f}",
            f"{r['compiled_over_it']:.2f}", f"{r['utilisation']:.0%}",
            f"{r['peak_bytes'] / 1e6:,.0f} / {r['computed_bytes'] / 1e6:,.0f}", f"{r['first_step_seconds']:.1f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--size", help="a size of calque.models.config.sizes with the vocabulary of 131,072; by default the widths"
    )
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--vocabulary", type=int, default=131_072, help="of --size")
    parser.add_argument("--context", type=int, help="4096 on a GPU, 128 on a CPU")
    parser.add_argument("--rows", type=int, help="sequences a step: 4 on a GPU, 8 on a CPU")
    parser.add_argument("--precision", choices=PRECISIONS, help="bf16-mixed on a GPU, 32-true on a CPU")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=1.0, help="of training a contestant and round")
    parser.add_argument("--add", action="store_true", help="keep the rows of other shapes and threads in the file")
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/benchmarks/training.json"))
    given = parser.parse_args()
    gpu = given.device == "cuda"
    context, rows = given.context or (4096 if gpu else CONTEXT), given.rows or (4 if gpu else BATCH)
    precision = given.precision or ("bf16-mixed" if gpu else "32-true")
    shapes = (
        {given.size: size(given.size, given.vocabulary)} if given.size
        else {f"width {width}": at_width(width) for width in given.widths}
    )  # fmt: skip
    measured: list[Row] = []
    on = machine(given.device)
    for threads in given.threads if not gpu else [os.cpu_count() or 1]:
        for name, shape in shapes.items():
            task = Task(
                shape=shape, device=given.device, context=context, rows=rows, precision=precision, threads=threads
            )
            measured += measure(task, name, given.rounds, given.seconds, peak_of(given.device, threads))
    table = [asdict(row) for row in measured]
    if given.add and given.out.exists():
        fresh = {(r["shape"], r["threads"]) for r in table}
        old = json.loads(given.out.read_text())["rows"]
        table = [r for r in old if (r["shape"], r["threads"]) not in fresh] + table
    found = {"machine": on, "batch": f"{rows} x {context} tokens, {precision}, fused AdamW, clip 1.0",
             "rounds": given.rounds, "rows": table}  # fmt: skip
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    given.out.with_suffix(".md").write_text(markdown(found))
    print(markdown(found))


if __name__ == "__main__":
    main()

"""The stages of ``tests.benchmarks.first_hour``: each takes a form and returns JSON-ready values."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.attention import SDPBackend, sdpa_kernel

from calque.models.config.devices import peak_of_name
from calque.models.config.memory import logits_at_once, memory
from calque.models.config.training import FLOAT8, TrainingConfig
from calque.models.decoder.chunked_loss import chunked_cross_entropy
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.float8 import OF_FACTORS, OF_GRADIENTS, float8_linear, quantised
from calque.models.decoder.loss import Objective
from calque.models.training.compiling import compile_step
from calque.models.training.monitoring.step_log import read_steps
from calque.models.training.strategy import _shard
from calque.sweeps.prepare.prepare import prepare
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.scoring import scorer_of
from tests.benchmarks.first_hour_forms import TINY, Form
from tests.benchmarks.train_contestants import CONTESTANTS, Contestant, Step, draw_in_place


def _now(form: Form) -> float:
    if form.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def backends(form: Form) -> dict[str, Any]:
    """Time attention's first and a later step, forward and backward, in every back end, in milliseconds."""
    shape = form.large
    sizes = [(form.rows, heads, form.context, shape.head_width) for heads in (shape.heads, *[shape.kv_heads] * 2)]
    found: dict[str, Any] = {}
    for each in (
        SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH
    ):  # fmt: skip
        if each == SDPBackend.MATH and form.device == "cuda":
            continue  # quadratic in memory
        made = [torch.randn(one, device=form.device, dtype=form.kind, requires_grad=True) for one in sizes]
        times = []
        try:
            with sdpa_kernel(each):
                for _ in range(3):
                    began = _now(form)
                    F.scaled_dot_product_attention(*made, is_causal=True, enable_gqa=True).sum().backward()
                    times.append(1000 * (_now(form) - began))
        except RuntimeError as error:
            found[each.name] = " ".join(str(error).split())[:80]
        else:
            found[each.name] = {"first_ms": times[0], "later_ms": min(times[1:])}
    return found


def head(form: Form) -> dict[str, Any]:
    """Compare loss and gradients of the head in the type of computation with those in float32, and time both."""
    shape, generator = form.large, torch.Generator().manual_seed(0)
    x = torch.randn(form.head_tokens, shape.width, generator=generator).to(form.device)
    weight = (torch.randn(shape.vocab_size, shape.width, generator=generator) / shape.width**0.5).to(form.device)
    targets = torch.randint(0, shape.vocab_size, (form.head_tokens,), generator=generator).to(form.device)
    rows = max(1, logits_at_once(form.device) // (4 * shape.vocab_size))
    x, weight = (each.to(form.kind).float().requires_grad_() for each in (x, weight))  # the same numbers for both
    results, seconds = [], {}
    for kind in (torch.float32, form.kind):
        for _ in range(2):  # the second is timed
            x.grad = weight.grad = None
            began = _now(form)
            loss = chunked_cross_entropy(x, weight, targets, rows=rows, kind=kind)[0]
            loss.backward()
            seconds[str(kind).removeprefix("torch.")] = _now(form) - began
        assert x.grad is not None and weight.grad is not None
        results.append((float(loss.detach()), x.grad.clone(), weight.grad.clone()))
    (exact, *wanted), (other, *gradients) = results
    off = max(float((one - two).norm() / two.norm()) for one, two in zip(gradients, wanted, strict=True))
    return {"tokens": form.head_tokens, "seconds": seconds, "loss_off": abs(other - exact), "gradient_off": off}


def _speed(form: Form, step: Step, warmup: int = 3) -> float:
    """Return tokens/s of ``step``."""
    for _ in range(warmup):
        step()
    began, steps = _now(form), 0
    while True:
        step()
        steps += 1
        if (form.device == "cpu" or steps % 5 == 0) and _now(form) - began > form.seconds:
            return steps * form.rows * form.context / (_now(form) - began)


def _forget(form: Form) -> None:
    gc.collect()
    if form.device == "cuda":
        torch.compiler.reset()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _contestant(form: Form, name: str) -> Contestant:
    return CONTESTANTS[f"{name}, {'compiled' if form.compiled else 'eager'}"]


def training(form: Form) -> dict[str, Any]:
    """Measure tokens/s of the largest size, its model FLOPs and its peak memory beside the formula."""
    task = form.task(form.large)
    speed = _speed(form, _contestant(form, "ours").make(task, form.compiled))
    peak = torch.cuda.max_memory_allocated() if form.device == "cuda" else 0
    config = TrainingConfig(
        tokens=10**12, context=form.context, batch_size=form.rows, precision=form.precision, warmup_tokens=0
    )
    chunk = max(1, logits_at_once(form.device) // (4 * form.large.vocab_size))
    computed = memory(form.large, config, rows=form.rows, shards=1, head_tokens=chunk).total
    known = peak_of_name(torch.cuda.get_device_name(), form.precision) if form.device == "cuda" else None
    return {
        "tokens_per_second": speed,
        "utilisation": speed * form.large.flops_per_token(form.context) / (known or float("inf")),
        "peak_bytes": peak, "computed_bytes": computed, "computed_over_peak": computed / peak if peak else 0.0,
    }  # fmt: skip


def _peer(form: Form, name: str) -> dict[str, Any]:
    each = _contestant(form, name)
    if not find_spec(each.needs):
        return {"left_out": "not installed"}
    return {"tokens_per_second": _speed(form, each.make(form.task(form.large), form.compiled))}


def transformers(form: Form) -> dict[str, Any]:
    """Measure tokens/s of the largest size in transformers."""
    return _peer(form, "transformers")


def litgpt(form: Form) -> dict[str, Any]:
    """Measure tokens/s of the largest size in litgpt, where it is installed."""
    return _peer(form, "litgpt")


def _plain_step(form: Form, sharded: bool) -> Step:
    """Return a step of the largest size compiled block by block, with FSDP2 over this one process or without."""
    shape = replace(form.large, base_width=None, base_layers=None)
    decoder = Decoder(shape, drawn=False).to(form.device)
    draw_in_place(decoder)
    decoder.compute_in(form.kind)
    objective = Objective(decoder)
    decoder.positions(0, form.context)
    if form.compiled:
        compile_step(objective, alone=False)
    if sharded:
        _shard(objective, init_device_mesh(form.device, (1,), mesh_dim_names=("data_parallel",)), form.kind)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=1e-3, fused=True)
    draw = form.task(form.large).batches()

    def step() -> None:
        objective(draw())[0].backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def sharded(form: Form) -> dict[str, Any]:
    """Measure tokens/s of the same step with and without FSDP2, on a mesh of one process."""
    with tempfile.TemporaryDirectory() as folder:
        store = dist.FileStore(f"{folder}/store", 1)
        dist.init_process_group("nccl" if form.device == "cuda" else "gloo", store=store, rank=0, world_size=1)
        try:
            speeds = []
            for over in (False, True):
                speeds.append(_speed(form, _plain_step(form, over)))
                _forget(form)
        finally:
            dist.destroy_process_group()
    return {"plain": speeds[0], "fsdp2": speeds[1], "ratio": speeds[1] / speeds[0]}


def small(form: Form) -> dict[str, Any]:
    """Measure tokens/s of the smaller sizes."""
    found = {}
    for called, shape in form.small.items():
        found[called] = _speed(form, _contestant(form, "ours").make(form.task(shape), form.compiled))
        _forget(form)
    return found


def scoring(form: Form) -> dict[str, Any]:
    """Time the scoring of a checkpoint of the largest size, twice: the study's questions and as much held-out text.

    The vendored text is too short for that: its windows are random tokens.
    """
    tiny, heldout = form.name == TINY, 256 if form.name == TINY else 262_144
    evaluation = {"heldout_tokens": heldout, "concepts": 2, "minimal_pairs": 1} if tiny else {"heldout_tokens": heldout}
    config = RunConfig.from_dict({
        "name": "scoring", "corpus": "sample", "sample": form.corpus, "evaluation": evaluation,
        "training": {"tokens": form.context * 100, "context": form.context, "warmup_tokens": 0},
    })  # fmt: skip
    data = prepare(config)
    scorer = scorer_of(config, data)
    shape = replace(form.large, vocab_size=data.shards.vocabulary)
    model = Decoder(shape, drawn=False).to(form.device, form.kind).eval()
    draw_in_place(model)
    rng, size = np.random.default_rng(0), (heldout // (form.context + 1), form.context + 1)
    scorer.texts = {
        code: replace(text, windows=rng.integers(0, shape.vocab_size, size)) for code, text in scorer.texts.items()
    }
    times = []
    for _ in range(2):
        began = _now(form)
        scorer(model, pairs=True, logprobs=True)
        times.append(_now(form) - began)
    tokens = sum(text.windows.size for text in scorer.texts.values())
    return {
        "first_seconds": times[0], "seconds": times[1], "questions": len(scorer.words.items), "heldout_tokens": tokens,
    }  # fmt: skip


def resume(form: Form) -> dict[str, Any]:
    """Train a run on real text in a process of its own, stop it with SIGTERM within training, and let it resume."""
    with tempfile.TemporaryDirectory() as folder:
        path, results = Path(folder) / "study.yaml", Path(folder) / "results"
        path.write_text(form.study)
        config = read_study(path).runs[0]
        command = [sys.executable, "-m", "calque.sweeps.cli", "trial", str(path), "short", "--results", str(results)]
        start = partial(subprocess.Popen, command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        process, file = start(), results / "runs" / "short" / "run.nc"
        while process.poll() is None and not file.exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
        states = sorted((results / "runs" / "short" / "states").glob("step-*.ckpt"))
        stopped = int(states[-1].stem.removeprefix("step-")) if states else 0
        process = start()
        _, error = process.communicate()
        logged = read_steps(results / "runs" / "short" / "steps.csv")
        whole = [each.step for each in logged] == list(range(1, config.training.steps + 1))
    return {
        "stopped": stopped, "steps": config.training.steps, "state": "done" if not process.returncode else error[-200:],
        "every_step_once": whole, "last_loss": logged[-1].loss, "said": said.strip().splitlines()[-1][:120],
    }  # fmt: skip


def float8(form: Form) -> dict[str, Any]:
    """Compare the products of float8 with those of the rounded factors, and their tokens/s with bfloat16's."""
    width, inner = form.large.width, form.large.ffn_width
    generator = torch.Generator().manual_seed(0)
    x, weight, gradient = (
        torch.randn(*sides, generator=generator).to(form.device, form.kind)
        for sides in ((form.head_tokens, width), (inner, width), (form.head_tokens, inner))
    )
    x.requires_grad_(), weight.requires_grad_()
    product = float8_linear(x, weight)
    product.backward(gradient)

    def rounded(tensor: Tensor, kind: torch.dtype) -> Tensor:
        scaled, factor = quantised(tensor.detach(), kind)
        return scaled.float() * factor

    a, b, c = rounded(x, OF_FACTORS), rounded(weight, OF_FACTORS), rounded(gradient, OF_GRADIENTS)
    assert x.grad is not None and weight.grad is not None
    found = {"product_off": (product, a @ b.t()), "input_off": (x.grad, c @ b), "weight_off": (weight.grad, c.t() @ a)}
    off = {name: float((one.float() - two).norm() / two.norm()) for name, (one, two) in found.items()}
    task = replace(form.task(form.large), precision=FLOAT8)
    speed = _speed(form, _contestant(form, "ours").make(task, form.compiled))
    return {"most_off": max(off.values()), **off, "tokens_per_second": speed}


STAGES: dict[str, Callable[[Form], dict[str, Any]]] = {
    each.__name__: each
    for each in (backends, head, training, sharded, scoring, small, resume, transformers, litgpt, float8)
}
"""By name, in the order in which they run."""

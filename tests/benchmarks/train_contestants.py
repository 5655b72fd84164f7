"""Who takes part in ``tests.benchmarks.train``: Calque's step, and a plain loop over peers' models."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calque.models.config.sizes import DecoderConfig
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.monitoring.loss_monitor import LossMonitor
from calque.models.training.strategy import fabric_for
from calque.models.training.train_step import TrainStep


@dataclass(frozen=True, kw_only=True)
class Task:
    """What everyone does: steps over random tokens."""

    shape: DecoderConfig
    device: str
    context: int
    rows: int
    precision: str
    threads: int

    def batches(self) -> Callable[[], Tensor]:
        """Return what draws a batch on the device, shape (rows, context + 1)."""
        generator = torch.Generator().manual_seed(0)
        size = (self.rows, self.context + 1)
        return lambda: torch.randint(0, self.shape.vocab_size, size, generator=generator).to(self.device)


Step = Callable[[], Any]


@torch.no_grad()
def draw_in_place(decoder: Decoder) -> None:
    """Draw weights where they are: on a GPU that takes no time, and speed does not depend on their values."""
    for parameter in decoder.parameters():
        if parameter.dim() > 1:
            parameter.normal_(std=0.02)


def ours(task: Task, compiled: bool) -> Step:
    """Return a step as ``calque.models.training.loop`` takes it."""
    config = TrainingConfig(
        tokens=10**12, context=task.context, batch_size=task.rows, micro_batch_size=task.rows, threads=task.threads,
        precision=task.precision, compile="always" if compiled else "never", parametrisation="standard",
        warmup_tokens=0,
    )  # fmt: skip
    shape = replace(task.shape, base_width=None, base_layers=None)
    decoder = Decoder(shape, drawn=False)
    stepper = TrainStep(fabric_for(config, task.device), decoder, config)
    draw_in_place(decoder)
    watch, draw, number = LossMonitor(), task.batches(), iter(range(10**9))
    return lambda: stepper(next(number), draw(), watch)


def plain(model: nn.Module, logits: Callable[[Tensor], Tensor], task: Task, compiled: bool) -> Step:
    """Return a step of the plain loop: forward, backward, clip, fused AdamW."""
    model.to(task.device, torch.bfloat16 if task.precision == "bf16-true" else torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.1, fused=True)

    mixed = task.precision == "bf16-mixed"

    def loss(tokens: Tensor) -> Tensor:
        with torch.autocast(task.device, torch.bfloat16, enabled=mixed):
            made = logits(tokens[:, :-1])
        return F.cross_entropy(made.float().flatten(0, 1), tokens[:, 1:].flatten())

    run = torch.compile(loss, dynamic=False) if compiled else loss
    draw = task.batches()

    def step() -> None:
        run(draw()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def transformers(task: Task, compiled: bool) -> Step:
    """Return a step over ``LlamaForCausalLM`` with SDPA."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = task.shape
    config = LlamaConfig(
        vocab_size=shape.vocab_size, hidden_size=shape.width, intermediate_size=shape.ffn_width,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads,
        max_position_embeddings=task.context, rms_norm_eps=shape.norm_eps, tie_word_embeddings=shape.tied,
        attn_implementation="sdpa", use_cache=False,
    )  # fmt: skip
    with torch.device(task.device):  # drawn there
        model = LlamaForCausalLM(config)
    return plain(model, lambda tokens: model(input_ids=tokens).logits, task, compiled)


def litgpt(task: Task, compiled: bool) -> Step:
    """Return a step over litgpt's ``GPT`` in Llama's shape."""
    from litgpt.model import GPT, Config

    shape = task.shape
    config = Config(
        block_size=task.context, vocab_size=shape.vocab_size, padded_vocab_size=shape.vocab_size, n_layer=shape.layers,
        n_head=shape.heads, n_query_groups=shape.kv_heads, n_embd=shape.width, intermediate_size=shape.ffn_width,
        rotary_percentage=1.0, parallel_residual=False, bias=False, norm_class_name="RMSNorm", norm_eps=shape.norm_eps,
        mlp_class_name="LLaMAMLP", rope_base=int(shape.rope_base),
    )  # fmt: skip
    with torch.device(task.device):
        model = GPT(config)
    return plain(model, model, task, compiled)


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """How a contestant's step is made, and the package it needs."""

    make: Callable[[Task, bool], Step]
    compiled: bool
    needs: str


CONTESTANTS = {
    f"{name}, {'compiled' if compiled else 'eager'}": Contestant(make=make, compiled=compiled, needs=needs)
    for compiled in (False, True)
    for name, make, needs in (
        ("ours", ours, "calque.models"), ("transformers", transformers, "transformers"), ("litgpt", litgpt, "litgpt"),
    )
}  # fmt: skip
"""By the name in the table."""


def worker(name: str, task: Task, pipe: Connection) -> None:
    """Make a contestant; send the seconds of its first step, then tokens/s for every number of seconds received."""
    torch.set_num_threads(task.threads)
    contestant = CONTESTANTS[name]
    step = contestant.make(task, contestant.compiled)

    def waited() -> float:
        if task.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    began = waited()
    step()
    pipe.send(waited() - began)
    for _ in range(2):
        step()
    while (seconds := pipe.recv()) is not None:
        began, steps = waited(), 0
        while True:
            step()
            steps += 1
            if (task.device == "cpu" or steps % 5 == 0) and waited() - began > seconds:
                break
        pipe.send(steps * task.rows * task.context / (waited() - began))
    if task.device == "cuda":
        pipe.send(torch.cuda.max_memory_allocated())
    else:
        pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)

"""The two forms of ``tests.benchmarks.first_hour``: the sizes of the study on a GPU, tiny shapes on a CPU."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from calque.models.config.sizes import DecoderConfig, size
from tests.benchmarks.first_hour import REAL
from tests.benchmarks.train_contestants import Task

TINY = "tiny shapes, to show that the script works"


def machine(device: str) -> dict[str, Any]:
    """Return what the numbers are measured on."""
    found: dict[str, Any] = {"device": "a CPU", "cores": os.cpu_count()}
    if device == "cuda":
        of = torch.cuda.get_device_properties()
        found |= {"device": of.name, "memory_bytes": of.total_memory, "capability": f"{of.major}.{of.minor}"}
    found |= {"torch": torch.__version__, "cuda": torch.version.cuda}
    for name in ("transformers", "litgpt", "lightning"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the stages do: shapes, precision and how long."""

    name: str
    device: str
    large: DecoderConfig
    small: dict[str, DecoderConfig]
    context: int
    rows: int
    precision: str
    kind: torch.dtype
    compiled: bool
    seconds: float
    head_tokens: int
    corpus: dict[str, Any]
    study: str

    def task(self, shape: DecoderConfig) -> Task:
        """Return the training task of ``shape``."""
        return Task(
            shape=shape, device=self.device, context=self.context, rows=self.rows, precision=self.precision,
            threads=min(8, os.cpu_count() or 1),
        )  # fmt: skip


_STUDY = """\
study: first-hour
base: sample-cpu
runs:
  short:
    size: {size}
    sample: {{tokenizer: "bpe:512"}}
    training: {{tokens: {tokens}, context: {context}, batch_size: {batch}, warmup_tokens: 0, precision: {precision},
      compile: never}}
    checkpoints: {{every: {every}, log_spaced: null}}
    evaluation: {{heldout_tokens: 256, concepts: 2, minimal_pairs: 1}}
"""
FORMS = {
    "cuda": Form(
        name=REAL, device="cuda", large=size("1.7b", 131_072),
        small={name: size(name, 131_072) for name in ("69m", "152m")}, context=4096, rows=4, precision="bf16-mixed",
        kind=torch.bfloat16, compiled=True, seconds=8.0, head_tokens=16_384,
        corpus={"tokenizer": "tekken", "shots": 2},
        study=_STUDY.format(size="micro", tokens="16M", context=256, batch=64, every="1M", precision="bf16-mixed"),
    ),
    "cpu": Form(
        name=TINY, device="cpu", large=size("nano", 512), small={"tiny": size("tiny", 512)}, context=32, rows=2,
        precision="bf16-mixed", kind=torch.bfloat16, compiled=False, seconds=0.1, head_tokens=64,
        corpus={"tokenizer": "bpe:512", "shots": 0},
        study=_STUDY.format(size="tiny", tokens=12_000, context=32, batch=4, every=2_000, precision="32-true"),
    ),
}  # fmt: skip

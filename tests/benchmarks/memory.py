"""The memory formula beside torch's own tracker, for the 1.7B run on 8 ranks: ``python -m tests.benchmarks.memory``.

The training step runs on fake tensors, in one process of a fake process group, so that neither devices nor memory are
needed: ``torch.distributed._tools.fsdp2_mem_tracker`` counts what every operator allocates and frees. The operators are
those of a CPU: the head's products are bfloat16 there and are cast afterwards, which a GPU does not need. Writes
``docs/benchmarks/memory.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.testing._internal.distributed.fake_pg import FakeStore

from calque.models.config.memory import WHOLE_LOGITS, on_device
from calque.models.config.parametrisation import with_base
from calque.models.config.sizes import size
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.loss import Objective
from calque.models.training.compiling import checkpoint_activations
from calque.models.training.optimizer import configure
from calque.models.training.precision import compute_as, computed_in
from calque.models.training.strategy import _shard

VOCABULARY, CONTEXT, RANKS = 131_072, 4096, 8
WAYS: dict[str, dict[str, Any]] = {
    "as in full.yaml": {"precision": "bf16-mixed", "rows": 8, "parts": 2},
    "one micro-batch": {"precision": "bf16-mixed", "rows": 8, "parts": 1},
    "every block recomputed": {
        "precision": "bf16-mixed", "rows": 8, "parts": 2, "activation_checkpointing": "full",
    },
    "float32": {"precision": "32-true", "rows": 4, "parts": 2},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Bytes on one device, at the peak: as tracked by kind, as computed by kind, and both sums."""

    tracked: dict[str, float]
    computed: dict[str, float]
    tracked_total: float
    computed_total: float


def compared(
    name: str, *, precision: str, rows: int, parts: int, ranks: int = RANKS, activation_checkpointing: str = "none"
) -> Compared:
    """Return the tracked and the computed bytes of a step of ``parts`` micro-batches of ``rows`` sequences."""
    config = TrainingConfig(
        tokens=10**9, context=CONTEXT, batch_size=rows * parts * ranks, micro_batch_size=rows, devices=ranks,
        strategy="fsdp2", precision=precision, activation_checkpointing=activation_checkpointing, compile="never",
    )  # fmt: skip
    shape = with_base(size(name, VOCABULARY), config)
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=ranks)
    try:
        mesh = init_device_mesh("cpu", (ranks,), mesh_dim_names=("data_parallel",))
        # as many logits at once as on a GPU
        with FakeTensorMode(), patch.dict(WHOLE_LOGITS, cpu=WHOLE_LOGITS["cuda"]):
            tracked = _tracked(Decoder(shape), config, mesh, parts)
    finally:
        dist.destroy_process_group()
    needed = on_device(shape, config, rows)
    whole = needed.total_checkpointed if activation_checkpointing == "full" else needed.total
    return Compared(
        tracked={str(kind.value): float(n) for kind, n in tracked.items() if n and isinstance(kind, Enum)},
        computed={each: float(n) for each, n in asdict(needed).items()},
        tracked_total=float(tracked["Total"]), computed_total=float(whole),
    )  # fmt: skip


def _tracked(decoder: Decoder, config: TrainingConfig, mesh: DeviceMesh, parts: int) -> dict[Any, int]:
    compute_as(config, decoder, torch.device("cpu"))
    objective = Objective(decoder)
    checkpoint_activations(objective, config.activation_checkpointing)
    decoder.positions(0, config.context)
    _shard(objective, mesh, computed_in(config))
    optimizer = configure(decoder, config)
    batch = torch.randint(0, decoder.config.vocab_size, (config.micro_batch_size or 1, config.context + 1))
    tracker = FSDPMemTracker(objective, optimizer)
    tracker.track_inputs((batch,))
    with tracker:
        for _ in range(2):  # the optimizer's state is there from the second step on
            for part in range(parts):
                objective.set_requires_gradient_sync(part == parts - 1)  # type: ignore[operator]
                objective(batch)[0].backward()
                tracker.reset_mod_stats()
            nn.utils.clip_grad_norm_(list(decoder.parameters()), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    (found,) = tracker.get_tracker_snapshot("peak").values()
    return found


def markdown(found: dict[str, Any]) -> str:
    """Return the comparison as a table."""
    lines = [
        f"1.7b, {RANKS} ranks, fsdp2, context {CONTEXT}, vocabulary {VOCABULARY:,}, AdamW; torch {found['torch']}, "
        "fake tensors of a CPU. GB at the peak on one rank.\n",
        "| step | micro-batch x micro-batches | tracked | computed | computed / tracked |",
        "|---|---|---|---|---|",
    ]
    for name, row in found["rows"].items():
        way, ratio = WAYS[name], row["computed_total"] / row["tracked_total"]
        lines.append(
            f"| {name} ({way['precision']}) | {way['rows']} x {way['parts']} | {row['tracked_total'] / 1e9:.1f} | "
            f"{row['computed_total'] / 1e9:.1f} | {ratio:.3f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/benchmarks/memory.json"))
    parser.add_argument(
        "--only", nargs="+", choices=tuple(WAYS), default=list(WAYS), help="keep the others in the file"
    )
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    rows = json.loads(given.out.read_text())["rows"] if given.out.exists() else {}
    for name in given.only:
        rows[name] = asdict(compared("1.7b", **WAYS[name]))
        print(f"{name}: {rows[name]['tracked_total'] / 1e9:.2f} GB tracked", flush=True)
        there = {way: rows[way] for way in WAYS if way in rows}
        found = {"torch": torch.__version__, "cores": os.cpu_count(), "rows": there}
        given.out.write_text(json.dumps(found, indent=1) + "\n")
        given.out.with_suffix(".md").write_text(markdown(found))
    print(markdown(found))


if __name__ == "__main__":
    main()

"""Training tokens/s beside a plain PyTorch loop over the same model and batches, and the sampler's rate.

``python -m tests.benchmarks.throughput`` writes ``docs/benchmarks/throughput.json`` and prints the table. The two loops
take turns, five pairs of them, so that a machine whose speed drifts does not decide; the ratio is the median pair's.
"""

from __future__ import annotations

import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import World
from calque.data.mixes.mix import Mix, stream_shares
from calque.data.shards import shards
from calque.data.shards.sampler import Sampler
from calque.models.config.sizes import size
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training import optimizer as optimisers
from calque.models.training.loop import train

PAIRS, STEPS = 5, 300


def ours(config: TrainingConfig, sampler: Sampler, vocab_size: int, name: str) -> float:
    """Return tokens/s of ``calque.models.training.loop.train``, from the first batch to the last."""
    decoder = Decoder(size(name, vocab_size), seed=0)
    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        steps = (0, config.steps)
        train(decoder, config, sampler, steps, Path(folder), lambda s, d, h, seconds: took.append(seconds))
    return config.steps * config.tokens_per_step / took[-1]


def plain(config: TrainingConfig, sampler: Sampler, vocab_size: int, name: str) -> float:
    """Return tokens/s of a bare loop: forward, backward, clip, step."""
    torch.set_num_threads(config.threads)
    decoder = Decoder(size(name, vocab_size), seed=0)
    optimizer = optimisers.configure(decoder, config)
    schedule = optimisers.schedule(optimizer, config)
    began = time.monotonic()
    for step in range(config.steps):
        batch = torch.from_numpy(sampler.batch(step))
        logits = decoder(batch[:, :-1])
        F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), config.gradient_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
    return config.steps * config.tokens_per_step / (time.monotonic() - began)


def main(out: Path = Path("docs/benchmarks")) -> None:
    """Measure, print the table, write the JSON."""
    world = World(WorldConfig(train_tokens=600_000))
    tokenizer = world.tokenizer()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        made = shards.prepare(world, tokenizer, Path(folder) / "shards")
        shares = stream_shares(world.streams(), Mix.parse("uniform", world.languages))
        for name in ("nano", "micro"):
            config = TrainingConfig(tokens=STEPS * 512)
            sampler = Sampler(made, shares, context=64, batch_size=8, data_seed=0)
            pairs = [(ours(config, sampler, made.vocabulary, name), plain(config, sampler, made.vocabulary, name))
                     for _ in range(PAIRS)]  # fmt: skip
            began = time.monotonic()
            for step in range(2000):
                sampler.batch(step)
            loading = 2000 * config.tokens_per_step / (time.monotonic() - began)
            rows.append({
                "size": name,
                "ours_tokens_per_second": round(statistics.median(a for a, _ in pairs)),
                "plain_loop_tokens_per_second": round(statistics.median(b for _, b in pairs)),
                "ratio": round(statistics.median(a / b for a, b in pairs), 3),
                "ratio_range": [round(f(a / b for a, b in pairs), 3) for f in (min, max)],
                "loading_over_training": round(loading / statistics.median(a for a, _ in pairs)),
            })  # fmt: skip
    report = {
        "machine": {"processor": platform.processor() or platform.machine(), "threads": 1, "gpu": None},
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
        "batch": "8 x 64 tokens, float32, the simulated world",
        "rows": rows,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "throughput.json").write_text(json.dumps(report, indent=1) + "\n")
    print(
        "| size | ours, tokens/s | plain loop, tokens/s | ratio (median of 5 pairs, range) | loading / training rate |"
    )
    print("|---|---|---|---|---|")
    for r in rows:
        low, high = r["ratio_range"]
        print(
            f"| {r['size']} | {r['ours_tokens_per_second']} | {r['plain_loop_tokens_per_second']} | "
            f"{r['ratio']} ({low} to {high}) | {r['loading_over_training']} |"
        )


if __name__ == "__main__":
    main()

"""Does the best learning rate stay put? A sweep over widths and depths, CompleteP beside the standard parametrisation.

``python -m tests.benchmarks.learning_rate`` trains the missing runs of the grid (each for 256,000 tokens of the
simulated world), notes each in ``docs/benchmarks/learning_rate.json`` as it ends, so that it goes on where it was
stopped, and writes the table and the picture (``learning_rate_curves``). ``--widths``, ``--depths`` and ``--seeds``
change the grid; ``--table`` trains nothing. A seed sets the initial weights and the order of the data; a run's loss is
that on 64 batches it has not read.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import World
from calque.data.files import write_atomically
from calque.data.mixes.mix import Mix, stream_shares
from calque.data.shards import shards
from calque.data.shards.sampler import Sampler
from calque.models.config.parametrisation import with_base
from calque.models.config.sizes import cpu
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.loop import train
from tests.benchmarks.learning_rate_curves import BASE, RATES, Run, curves, markdown, picture

OUT = Path("docs/benchmarks/learning_rate.json")
PICTURE = Path("docs/images/learning_rate.png")
TOKENS, UNREAD_BATCHES = 256_000, 64


def grid(widths: Iterable[int], depths: Iterable[int], seeds: int) -> Iterator[Run]:
    """Yield the runs: seed by seed, small ones first, learning rates from the middle of the grid outwards.

    Widths are taken at the base's depth, depths at the base's width.
    """
    outwards = sorted(RATES, key=lambda rate: abs(math.log2(rate / RATES[len(RATES) // 2])))
    shapes = [(width, BASE[1]) for width in widths] + [(BASE[0], depth) for depth in depths if depth != BASE[1]]
    for seed in range(seeds):
        for width, layers in sorted(shapes, key=lambda shape: shape[0] ** 2 * shape[1]):
            for rate in outwards:
                for rule in ("completep", "standard") if (width, layers) != BASE else ("completep",):  # there the same
                    yield Run(parametrisation=rule, width=width, layers=layers, learning_rate=rate, seed=seed)


def measure(run: Run, sampler: Sampler, vocabulary: int) -> float | None:
    """Train ``run`` and return its loss on batches that it has not read."""
    config = TrainingConfig(tokens=TOKENS, learning_rate=run.learning_rate, parametrisation=run.parametrisation)
    decoder = Decoder(with_base(cpu(run.width, run.layers, vocabulary), config), seed=run.seed)
    with tempfile.TemporaryDirectory() as folder:
        try:
            train(decoder, config, sampler, (config.steps,), Path(folder), lambda *checkpoint: None)
        except FloatingPointError:
            return None
    losses = []
    with torch.inference_mode():
        for step in range(config.steps, config.steps + UNREAD_BATCHES):
            batch = torch.from_numpy(sampler.batch(step))
            losses.append(float(F.cross_entropy(decoder(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())))
    return float(np.mean(losses))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--depths", type=int, nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only write the table and the picture anew")
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    given = parser.parse_args()
    runs = [Run(**row) for row in json.loads(given.out.read_text())["runs"]] if given.out.exists() else []
    if not given.table:
        world = World(WorldConfig(train_tokens=2_000_000))
        with tempfile.TemporaryDirectory() as folder:
            made = shards.prepare(world, world.tokenizer(), Path(folder) / "shards")
            shares = stream_shares(world.streams(), Mix.parse("uniform", world.languages))
            samplers = [Sampler(made, shares, context=64, batch_size=8, data_seed=s) for s in range(given.seeds)]
            done = {run.place for run in runs}
            todo = [run for run in grid(given.widths, given.depths, given.seeds) if run.place not in done]
            for i, run in enumerate(todo):
                loss = measure(run, samplers[run.seed], made.vocabulary)
                runs.append(Run(**asdict(run) | {"loss": loss}))
                task = f"{TOKENS} tokens of the simulated world, 8 x 64 a step, float32, one CPU thread"
                report = {"task": task, "torch": torch.__version__, "runs": [asdict(r) for r in runs]}
                write_atomically(given.out, (json.dumps(report, indent=1) + "\n").encode())
                print(f"{i + 1}/{len(todo)} {run.place}: {loss}", flush=True)
    found = curves(runs)
    given.out.with_suffix(".md").write_text(markdown(found), encoding="utf-8")
    picture(found, given.picture)
    print(markdown(found))


if __name__ == "__main__":
    main()

"""Does the best learning rate stay put? A sweep over widths and depths, CompleteP beside the standard parametrisation.

``python -m tests.benchmarks.learning_rate`` trains the missing runs of the grid (each for 256,000 tokens of the
simulated world), notes each in ``docs/benchmarks/learning_rate.json`` as it ends, so that it goes on where it was
stopped, and writes the table and the picture. ``--widths``, ``--depths`` and ``--seeds`` change the grid; ``--table``
trains nothing.

A seed sets the initial weights and the order of the data; a run's loss is that on 64 batches it has not read. The best
learning rate of a curve is the lowest point of the parabola through its lowest measured point and the two neighbours,
in log2 of the learning rate, curves averaged over seeds; the range beside it is that of the single seeds. A lowest
point at the end of the grid is said to be there.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from data import shards
from data.corpora.world import World
from data.corpora.world_config import WorldConfig
from data.files import write_atomically
from data.mixes import Mix, stream_shares
from data.sampler import Sampler
from models.decoder import Decoder
from models.parametrisation import based
from models.sizes import cpu
from models.training import train
from models.training_config import TrainingConfig

OUT = Path("docs/benchmarks/learning_rate.json")
PICTURE = Path("docs/images/learning_rate.png")
TOKENS, UNREAD_BATCHES = 256_000, 64
RATES = tuple(1.25e-3 * 2.0**k for k in range(6))
BASE = (64, 3)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training: its place in the grid, and the loss (nats/token) once it is known; None when it diverged."""

    parametrisation: str
    width: int
    layers: int
    learning_rate: float
    seed: int
    loss: float | None = None

    @property
    def place(self) -> tuple[str, int, int, float, int]:
        """What tells this run from others."""
        return self.parametrisation, self.width, self.layers, self.learning_rate, self.seed


def grid(widths: Iterable[int], depths: Iterable[int], seeds: int) -> Iterator[Run]:
    """Yield the runs, seed by seed and small ones first: widths at the base's depth, depths at the base's width."""
    shapes = [(width, BASE[1]) for width in widths] + [(BASE[0], depth) for depth in depths if depth != BASE[1]]
    for seed in range(seeds):
        for width, layers in sorted(shapes, key=lambda shape: shape[0] ** 2 * shape[1]):
            for rule in ("completep", "standard"):
                if rule == "completep" or (width, layers) != BASE:  # at the base both are the same
                    for rate in RATES:
                        yield Run(parametrisation=rule, width=width, layers=layers, learning_rate=rate, seed=seed)


def measure(run: Run, sampler: Sampler, vocabulary: int) -> float | None:
    """Train ``run`` and return its loss on batches that it has not read."""
    config = TrainingConfig(tokens=TOKENS, learning_rate=run.learning_rate, parametrisation=run.parametrisation)
    decoder = Decoder(based(cpu(run.width, run.layers, vocabulary), config), seed=run.seed)
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


def best(rates: np.ndarray, losses: np.ndarray) -> tuple[float, bool]:
    """Return log2 of the best learning rate of a curve, and whether it lies within the grid."""
    x, i = np.log2(rates), int(np.nanargmin(losses))
    if i in (0, len(x) - 1) or not np.isfinite(losses[i - 1 : i + 2]).all():
        return float(x[i]), False
    a, b, _ = np.polyfit(x[i - 1 : i + 2] - x[i], losses[i - 1 : i + 2], 2)
    return float(x[i] - b / (2 * a)), True


Curves = dict[tuple[str, int, int], np.ndarray]


def curves(runs: list[Run]) -> Curves:
    """Return the losses by (parametrisation, width, layers), each of shape (seeds, rates); the base is in both."""
    known = {run.place: math.nan if run.loss is None else run.loss for run in runs}
    seeds = sorted({run.seed for run in runs})
    found: Curves = {}
    for rule in ("completep", "standard"):
        for width, layers in sorted({(run.width, run.layers) for run in runs}):
            trained = "completep" if (width, layers) == BASE else rule
            rows = [[known.get((trained, width, layers, rate, seed)) for rate in RATES] for seed in seeds]
            whole = [row for row in rows if None not in row]
            if whole:
                found[rule, width, layers] = np.array(whole, float)
    return found


def markdown(found: Curves) -> str:
    """Return the table: where each curve is lowest, and what the base's best learning rate costs there."""
    at_base = int(np.nanargmin(found["completep", *BASE].mean(0)))
    lines = [
        "| parametrisation | width | layers | seeds | best learning rate | single seeds | steps of 2 from the base's | "
        "loss there | loss at the base's best |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (rule, width, layers), losses in found.items():
        mean = losses.mean(0)
        place, within = best(np.array(RATES), mean)
        base, _ = best(np.array(RATES), found["completep", *BASE].mean(0))
        singles = [2 ** best(np.array(RATES), row)[0] for row in losses]
        said = f"{2**place:.2e}" if within else f"{2**place:.2e}, the grid's end"
        lines.append(
            f"| {rule} | {width} | {layers} | {len(losses)} | {said} | {min(singles):.2e} to {max(singles):.2e} | "
            f"{place - base:+.2f} | {np.nanmin(mean):.3f} | {mean[at_base]:.3f} |"
        )
    return "\n".join(lines) + "\n"


def picture(found: Curves, path: Path) -> None:
    """Draw loss over learning rate: a row for widths and one for depths, a column for each parametrisation."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = ["width"] + (["layers"] if any(shape[2] != BASE[1] for shape in found) else [])
    figure, axes = plt.subplots(len(rows), 2, figsize=(9, 3.6 * len(rows)), sharex=True, sharey="row", squeeze=False)
    for row, varied in zip(axes, rows, strict=True):
        for axis, rule in zip(row, ("completep", "standard"), strict=True):
            shapes = [s for s in found if s[0] == rule and (s[2] == BASE[1] if varied == "width" else s[1] == BASE[0])]
            for shape, colour in zip(shapes, plt.get_cmap("viridis")(np.linspace(0, 0.85, len(shapes))), strict=True):
                losses = found[shape]
                name = shape[1] if varied == "width" else shape[2]
                axis.plot(RATES, losses.mean(0), "-", color=colour, label=f"{varied} {name}")
                axis.plot(np.tile(RATES, len(losses)), losses.ravel(), ".", color=colour, markersize=3)
                i = int(np.nanargmin(losses.mean(0)))
                axis.plot(RATES[i], losses.mean(0)[i], "o", color=colour)
            axis.set_xscale("log", base=2)
            axis.set_xticks(RATES, [f"{rate:.2g}" for rate in RATES], rotation=30)
            lowest = min(float(np.nanmin(found[s].mean(0))) for s in found)
            axis.set_ylim(lowest - 0.05, lowest + 1.2)
            axis.set_title({"completep": "CompleteP", "standard": "standard parametrisation"}[rule])
            axis.legend(fontsize=8)
            axis.set_xlabel("learning rate at the base" if rule == "completep" else "learning rate")
        row[0].set_ylabel("loss, nats/token")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


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

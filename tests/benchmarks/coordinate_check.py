"""Coordinate check: do activations and their updates keep their size over widths and depths?

``python -m tests.benchmarks.coordinate_check`` trains the CPU's family for some steps at widths 64 to 512 (depth 3) and
depths 3 to 12 (width 64), under CompleteP and under the standard parametrisation, and draws
``docs/images/coordinate_check.png``. ``slopes`` gives what the test asserts.

The same batch is read at every step, so that what is learned adds up as far as it can. After the steps: the root mean
square of each activation's entries, and of its change since the start (Yang et al. 2022, arXiv 2203.03466, appendix
D.1; for depth Dey et al. 2025, arXiv 2505.01618, section 5); ``answer`` is the mean change of the right next token's
logit, where what is random cancels. Sizes go with powers of width and depth that are multiples of 1/2 in the limit, so
that a measured exponent is read as the nearest one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calque.models.config.parametrisation import with_base
from calque.models.config.sizes import cpu
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.optimizer import configure

PICTURE = Path("docs/images/coordinate_check.png")
WIDTHS, DEPTHS = (64, 128, 256, 512), (3, 6, 12)
BASE = (64, 3)
VOCABULARY, CONTEXT, ROWS = 128, 32, 8
LEARNING_RATE, STEPS = 1e-2, 4


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Root mean squares of one model: of its activations after the steps, and of their changes; by activation."""

    activation: dict[str, float]
    update: dict[str, float]


def batch() -> tuple[Tensor, Tensor]:
    """Return token ids and the ids that follow, each (rows, context): rows count on from a random start by 1 to 3."""
    rng = np.random.default_rng(0)
    start, stride = rng.integers(0, VOCABULARY, (ROWS, 1)), rng.integers(1, 4, (ROWS, 1))
    ids = torch.from_numpy((start + stride * np.arange(CONTEXT + 1)) % VOCABULARY)
    return ids[:, :-1], ids[:, 1:]


@torch.no_grad()
def activations(decoder: Decoder, tokens: Tensor) -> dict[str, Tensor]:
    """Return the residual that enters the final norm, what the last layer adds to it, and the logits."""
    seen: dict[str, Tensor] = {}
    last = decoder.blocks[-1]
    hooks = [
        decoder.norm.register_forward_pre_hook(lambda module, given: seen.update(residual=given[0])),
        last.attention.register_forward_hook(lambda module, given, made: seen.update(attention=made[0])),
        last.ffn.register_forward_hook(lambda module, given, made: seen.update(ffn=made)),
    ]
    seen["logits"] = decoder(tokens)
    for hook in hooks:
        hook.remove()
    return {name: value.clone() for name, value in seen.items()}


def measure(width: int, layers: int, config: TrainingConfig, seed: int) -> Sizes:
    """Train ``config.steps`` steps and return the sizes."""
    decoder = Decoder(with_base(cpu(width, layers, VOCABULARY), config), seed)
    optimizer = configure(decoder, config)
    tokens, following = batch()
    before = activations(decoder, tokens)
    for _ in range(config.steps):
        optimizer.zero_grad()
        F.cross_entropy(decoder(tokens).flatten(0, 1), following.flatten()).backward()
        optimizer.step()
    after = activations(decoder, tokens)
    changes = {name: x - before[name] for name, x in after.items()}
    update = {name: size(change) for name, change in changes.items()}
    update["answer"] = abs(float(changes["logits"].gather(-1, following[..., None]).mean()))
    return Sizes(activation={name: size(x) for name, x in after.items()}, update=update)


def size(x: Tensor) -> float:
    """Return the root mean square of the entries."""
    return float(x.square().mean().sqrt())


def check(
    shapes: Sequence[tuple[int, int]], parametrisation: str, *, seeds: int = 2, optimizer: str = "adamw"
) -> list[Sizes]:
    """Return the sizes of each (width, layers), geometric means over seeds."""
    config = TrainingConfig(
        tokens=STEPS * ROWS * CONTEXT, context=CONTEXT, batch_size=ROWS, warmup_tokens=0, learning_rate=LEARNING_RATE,
        parametrisation=parametrisation, optimizer=optimizer,
    )  # fmt: skip
    found = []
    for width, layers in shapes:
        runs = [measure(width, layers, config, seed) for seed in range(seeds)]

        def mean(part: str, runs: list[Sizes] = runs) -> dict[str, float]:
            names = getattr(runs[0], part)
            return {n: float(np.exp(np.mean([np.log(getattr(run, part)[n]) for run in runs]))) for n in names}

        found.append(Sizes(activation=mean("activation"), update=mean("update")))
    return found


def slopes(x: Sequence[float], found: list[Sizes]) -> dict[str, float]:
    """Return the exponents with which sizes go over ``x`` (widths or depths), by 'update of logits' and the like."""
    return {
        f"{part} of {name}": float(np.polyfit(np.log(x), [np.log(getattr(s, part)[name]) for s in found], 1)[0])
        for part in ("activation", "update")
        for name in getattr(found[0], part)
    }


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optimizer", default="adamw")
    parser.add_argument("-o", "--out", type=Path, default=PICTURE)
    given = parser.parse_args()
    figure, axes = plt.subplots(2, 4, figsize=(13, 6.4), sharey=True)
    for row, rule in zip(axes, ("completep", "standard"), strict=True):
        columns = (("width", WIDTHS, [(w, BASE[1]) for w in WIDTHS]), ("depth", DEPTHS, [(BASE[0], d) for d in DEPTHS]))
        for pair, (varied, x, shapes) in zip((row[:2], row[2:]), columns, strict=True):
            found = check(shapes, rule, optimizer=given.optimizer)
            exponents = slopes(x, found)
            for axis, part in zip(pair, ("activation", "update"), strict=True):
                for name in getattr(found[0], part):
                    key = f"{part} of {name}"
                    axis.plot(x, [getattr(s, part)[name] for s in found], "o-", label=f"{name}: {exponents[key]:+.2f}")
                    print(f"{rule:10} {varied:6} {key:24} {exponents[key]:+.2f}")
                axis.set_xscale("log", base=2)
                axis.set_yscale("log")
                axis.set_ylim(0.2, 150)  # room for the legend
                axis.set_xticks(x, [str(v) for v in x])
                axis.set_title(
                    f"{'CompleteP' if rule == 'completep' else 'standard'}: {part} over {varied}", fontsize=10
                )
                axis.set_xlabel(varied)
                axis.legend(fontsize=7, title="exponent", title_fontsize=7, loc="upper center", ncols=2)
    for row in axes:
        row[0].set_ylabel("root mean square of the entries")
    figure.tight_layout()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(given.out, dpi=100)


if __name__ == "__main__":
    main()

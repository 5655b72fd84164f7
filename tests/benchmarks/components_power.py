"""How often planted heads, alignments and linear maps are found: ``python -m tests.benchmarks.components_power``.

The other side of the false discoveries of ``tests.benchmarks.components``. Heads, in untrained decoders of 2 x 4 heads
with tied embeddings: one whose attention is beta times the phase of one step back; one whose output weights are in part
its transposed value weights, of the same size, which copies. Induction: two heads by hand, whose queries and keys are
in part noise. Layers: noise of SD 1 in three languages, to which the same vector of a concept is added in every
language, turned for each of them (alignment) or not (concept), or one vector of the language. A seed draws prompts,
weights and states. What is found is the share of seeds with an adjusted p below .05 at what was planted, and elsewhere.
It takes minutes. Writes ``docs/benchmarks/components_power.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calque.models.components.head_settings import HeadSettings
from calque.models.components.head_statistics import head_statistics
from calque.models.components.heads import probe_heads
from calque.models.components.token_sets import TokenSet, tokens_of_model
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from calque.models.layers.alignment import MEASURES, alignment
from calque.models.layers.linear import linear_probes
from calque.models.layers.settings import LayerSettings
from calque.models.reading.families import model_parts
from tests.induction_decoder import TOKENS, induction

OUT = Path(__file__).parents[2] / "docs" / "benchmarks"
LANGUAGES, CONCEPTS, WIDTH, DEPTHS = 3, 36, 32, 3
SHAPE: dict[str, Any] = {
    "width": 32, "layers": 2, "heads": 4, "kv_heads": 4, "ffn_width": 64, "vocab_size": 201, "tied": True,
}  # fmt: skip
Found = dict[str, tuple[float, bool, bool]]
"""By score: its size at what was planted, whether it is found there, whether anything else is found."""


def heads(made: Decoder, score: str, at: tuple[int, int], settings: HeadSettings, own: bool = False) -> Found:
    """Return what the probe of heads finds of a planted one."""
    parts = model_parts(made.eval())
    sets = (TokenSet(tokens=tuple(range(TOKENS - 1)), begin=TOKENS - 1),) if own else tokens_of_model(parts, None, None)
    table = probe_heads(parts, sets, [score], settings)
    found = table[f"{score}_p_adjusted"].values < 0.05
    there = bool(found[at])
    found[at] = False
    return {score: (float(table[score].values[at]), there, bool(found.any()))}


def looks_back(head_width: int) -> Callable[[float, int], Found]:
    """Return what plants a head whose attention is beta times the phase of one step back, in an untrained decoder."""
    shape = SHAPE | {"width": 4 * head_width}

    @torch.no_grad()
    def of(beta: float, seed: int) -> Found:
        made = Decoder(DecoderConfig(**shape), seed=seed)
        constant = torch.randn(made.config.width, generator=torch.Generator().manual_seed(seed))
        constant /= constant.norm()
        made.embedding.weight += constant * made.embedding.weight.norm(dim=1).mean()
        after = made.blocks[0].attention_norm(made.embedding.weight) @ constant  # of every token, nearly the same
        theta = made.config.rope_base ** -(torch.arange(0, head_width, 2) / head_width)
        size = (beta * head_width**0.5) ** 0.5 / after.mean()
        query = torch.cat([torch.ones(head_width // 2), torch.zeros(head_width // 2)])
        key, rows = torch.cat([theta.cos(), theta.sin()]), slice(2 * head_width, 3 * head_width)
        made.blocks[0].attention.query.weight[rows] = size * torch.outer(query, constant)
        made.blocks[0].attention.key.weight[rows] = size * torch.outer(key, constant)
        return heads(made, "previous_token", (0, 2), HeadSettings(seed=seed))

    return of


def induces(share: float, seed: int) -> Found:
    """Give an induction decoder's weights noise, of which the planted part is ``share`` in size."""
    made = induction("grouped", 1, first=8.0, beta=4.0)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for block in made.blocks:
            for part in (block.attention.query, block.attention.key):
                noise = torch.randn(part.weight.shape, generator=draw, dtype=part.weight.dtype)
                part.weight[:] = share * part.weight + (1 - share) * noise * 0.1
    return heads(made, "prefix_matching", (1, 1), HeadSettings(length=5, tokens=40, seed=seed), own=True)


@torch.no_grad()
def copies(share: float, seed: int) -> Found:
    """``share`` of a head's output weights are its value weights transposed, of the same size."""
    made = Decoder(DecoderConfig(**SHAPE), seed=seed)
    attention, rows = made.blocks[1].attention, slice(8, 16)
    value, output = attention.value.weight[rows], attention.output.weight
    transposed = value.T * (output[:, rows].norm() / value.norm())
    output[:, rows] = (1 - share) * output[:, rows] + share * transposed
    return heads(made, "ov_copying", (1, 1), HeadSettings(seed=seed))


def states(size: float, seed: int, kind: str) -> NDArray[np.float32]:
    """Return noise with a planted part of SD ``size`` at the last depth, (depths, languages, concepts, width)."""
    draw = np.random.default_rng([11, seed])
    found = draw.standard_normal((DEPTHS, LANGUAGES, CONCEPTS, WIDTH))
    common = draw.standard_normal((CONCEPTS, WIDTH))
    for language in range(LANGUAGES):
        turn = np.linalg.qr(draw.standard_normal((WIDTH, WIDTH)))[0]
        own = np.broadcast_to(draw.standard_normal(WIDTH), common.shape)
        found[-1, language] += size * {"alignment": common @ turn, "concept": common, "language": own}[kind]
    return found.astype(np.float32)


def of_depths(p_adjusted: NDArray[np.float64], score: NDArray[np.float64]) -> tuple[float, bool, bool]:
    return float(score[-1]), bool(p_adjusted[-1] < 0.05), bool((p_adjusted[:-1] < 0.05).any())


def aligned(size: float, seed: int) -> Found:
    apart = np.ones((LANGUAGES, LANGUAGES, CONCEPTS), bool)
    found = alignment(states(size, seed, "alignment"), apart, LayerSettings(seed=seed))
    return {f"alignment_{name}": of_depths(found[name]["p_adjusted"], found[name]["score"]) for name in MEASURES}


def linear(kind: str) -> Callable[[float, int], Found]:
    def of(size: float, seed: int) -> Found:
        found = linear_probes(states(size, seed, kind)[:, :, :24], LayerSettings(seed=seed))[kind]
        score, control = found.decides
        table = head_statistics(score[..., None], control[..., None])
        return {f"linear_{kind}": of_depths(table["p_adjusted"].values[:, 0], found.score.mean(1))}

    return of


PLANTED: dict[str, tuple[Callable[[float, int], Found], tuple[float, ...]]] = {
    **{
        f"a head of width {width} looks back, beta": (looks_back(width), sizes)
        for width, sizes in {8: (2.0, 8.0), 16: (1.0, 2.0, 4.0), 32: (0.5, 1.0, 2.0)}.items()
    },
    "two heads of induction, share": (induces, (0.2, 0.4, 0.6, 0.8)),
    "a head's output copies, share": (copies, (0.1, 0.2, 0.3, 0.5)),
    "concepts alike, turned, SD": (aligned, (0.5, 0.75, 1.0, 2.0)),
    "concepts alike, SD": (linear("concept"), (0.125, 0.25, 0.5, 1.0)),
    "languages apart, SD": (linear("language"), (0.1, 0.2, 0.4, 0.8)),
}
"""What is planted, and how large."""


def measure(seeds: int) -> list[dict[str, Any]]:
    """Return a row for each size and score."""
    rows = []
    for what, (plant, sizes) in PLANTED.items():
        for size in sizes:
            found = [plant(size, seed) for seed in range(seeds)]
            for score in found[0]:
                values = np.array([one[score] for one in found], float)
                mean, there, elsewhere = values.mean(0).tolist()
                rows.append({"planted": what, "size": size, "score": score, "mean": mean, "found": there,
                             "elsewhere": elsewhere})  # fmt: skip
                print(rows[-1], flush=True)
    return rows


def markdown(rows: list[dict[str, Any]], seeds: int, date: str) -> str:
    """Return the table."""
    lines = [
        "# How often planted heads, alignments and linear maps are found", "",
        " ".join((__doc__ or "").split("\n\n")[1].split()), "",
        f"`python -m tests.benchmarks.components_power --seeds {seeds}`, {date}; a share of {seeds} is known within "
        f"{1.96 * (0.25 / seeds) ** 0.5:.2f} at .5.", "",
        "| planted | size | score | mean score there | found | something else found |", "|---|---|---|---|---|---|",
        *("| {planted} | {size:g} | {score} | {mean:.3f} | {found:.2f} | {elsewhere:.2f} |".format(**r) for r in rows),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(given.seeds)
    date = time.strftime("%Y-%m-%d")
    content = {"seeds": given.seeds, "date": date, "rows": rows}
    (given.out / "components_power.json").write_text(json.dumps(content, indent=1) + "\n")
    (given.out / "components_power.md").write_text(markdown(rows, given.seeds, date))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

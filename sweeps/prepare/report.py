"""Report on prepared data: provenance, tokenizer fertility, amounts, and epochs of the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from calque.data.corpora.debian import provenance as debian
from calque.data.corpora.world.opening import OPENING
from calque.data.mixes.mix import stream_shares
from calque.data.quantities import format_bytes, format_count
from calque.data.shards.shards import Shards
from calque.sweeps.prepare.prepare import PreparedDataset, corpus_of, mix_of
from calque.sweeps.study.run_config import RunConfig

WORDS = (
    "a word: a run of letters and digits, in Chinese and Japanese a character; exact: lines that decode to themselves"
)
OF_A_SOURCE = ("title", "package", "licence")
OF_A_LANGUAGE = ("used", "duplicates", "heldout")


def answer(dataset: PreparedDataset) -> dict[str, Any]:
    """Return the data set ``dataset`` as JSON-ready values."""
    shards = dataset.shards
    held = [shard for split in (shards.train, shards.heldout) for shard in split.values()]
    return {
        "runs": [run.name for run in dataset.runs],
        "made": dataset.is_new,
        "folder": str(shards.folder),
        "sha256": shards.sha256,
        "tokenizer_sha256": shards.tokenizer_sha256,
        "vocabulary": shards.vocabulary,
        "provenance": shards.provenance,
        "fertility": shards.fertility,
        "epochs": {run.name: epochs(run, shards) for run in dataset.runs},
        "shards": [{key: value for key, value in asdict(shard).items() if key != "path"} for shard in held],
    }


def epochs(run: RunConfig, shards: Shards) -> dict[str, float]:
    """Return the epochs of ``run`` over each stream of ``shards`` that it samples."""
    shares = stream_shares(corpus_of(run).streams(), mix_of(run, shards))
    opening = run.world.opening if run.corpus == "world" else 0
    tokens = run.training.trained_tokens - opening
    read = {stream: tokens * share for stream, share in shares.items()} | ({OPENING: opening} if opening else {})
    return {stream: n / max(1, shards.train[stream].tokens) for stream, n in read.items()}


def show(dataset: PreparedDataset, console: Console) -> None:
    """Print the provenance of ``dataset`` to ``console``, and for every stream text, tokens, fertility and epochs."""
    for table in (*_provenance(dataset.shards.provenance), _streams(dataset)):
        title, table.title = table.title, None  # a title would be as narrow as its table
        console.print(title, soft_wrap=True, style="italic", highlight=False)
        console.print(table)
    if dataset.shards.fertility:
        print(WORDS)
    names = ", ".join(run.name for run in dataset.runs)
    print(f"{names}: {'made' if dataset.is_new else 'already there'}: {dataset.shards.folder}")


def _provenance(provenance: Mapping[str, Any]) -> list[Table]:
    match provenance["corpus"]:
        case "debian":
            return debian.tables(debian.rows_of(dict(provenance)))
        case "sample":
            rows = [(name, *(source[key] for key in OF_A_SOURCE)) for name, source in provenance["sources"].items()]
            return [_table("sources", ("source", *OF_A_SOURCE), rows)]
        case "hub":
            sets = provenance["datasets"]
            rows = [(code, sets[code]["name"], sets[code]["config"] or "", str(sets[code]["revision"]),
                     str(len(sets[code]["files"])), provenance["licence"]) for code in sets]  # fmt: skip
            return [_table("data sets", ("language", "data set", "config", "revision", "files", "licence"), rows)]
        case "text":
            counts = provenance["documents"]
            rows = [(code, *(f"{counts[code][key]:,}" for key in OF_A_LANGUAGE)) for code in counts]
            title = f"files of the user, {len(provenance['files'])} in all; licence: {provenance['licence']}"
            return [_table(title, ("language", *OF_A_LANGUAGE), rows)]
        case _:
            return [_table("source", ("source", "licence"), [(provenance["source"], provenance["licence"])])]


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    return table


def _streams(dataset: PreparedDataset) -> Table:
    shards = dataset.shards
    size = f"{shards.vocabulary:,} tokens in the vocabulary"
    table = Table(title=f"{shards.folder.name}: {size}, sha256 {shards.sha256[:12]}")
    table.add_column("stream")
    for name in ("documents", "held out", "text", "tokens", "share", "tokens/word", "bytes/token", "exact", "epochs"):
        table.add_column(name, justify="right")
    read = [epochs(run, shards) for run in dataset.runs]
    for stream, shard in shards.train.items():
        cut = shards.fertility.get(stream, {})
        most = max((times.get(stream, 0.0) for times in read), default=0.0)
        documents = (f"{shard.documents:,}", f"{shards.heldout[stream].documents:,}")
        amounts = (format_bytes(shard.text_bytes), format_count(shard.tokens), f"{shards.shares[stream]:.1%}")
        rates = (_rate(cut.get("tokens_per_word")), _rate(cut.get("bytes_per_token")))
        exact = f"{cut['exact_lines'] / max(1, cut['lines']):.1%}" if cut else ""
        table.add_row(stream, *documents, *amounts, *rates, exact, f"{most:.3g}")
    return table


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"

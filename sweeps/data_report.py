"""What was prepared: where text comes from, how the tokenizer cuts it, how much there is and how often it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.table import Table

from data.mixes import stream_shares
from data.quantities import format_count
from data.shards import Shards
from sweeps.config import RunConfig
from sweeps.preparing import Made, corpus_of, mix_of

WORDS = (
    "a word: a run of letters and digits, in Chinese and Japanese a character; exact: lines that decode to themselves"
)
OF_A_SOURCE = ("title", "package", "licence")


def answer(made: Made) -> dict[str, Any]:
    """Return a data set as JSON-ready values."""
    shards = made.shards
    held = [shard for split in (shards.train, shards.heldout) for shard in split.values()]
    return {
        "runs": [run.name for run in made.runs],
        "made": made.made,
        "folder": str(shards.folder),
        "sha256": shards.sha256,
        "tokenizer_sha256": shards.tokenizer_sha256,
        "vocabulary": shards.vocabulary,
        "provenance": shards.provenance,
        "fertility": shards.fertility,
        "epochs": {run.name: epochs(run, shards) for run in made.runs},
        "shards": [{key: value for key, value in asdict(shard).items() if key != "path"} for shard in held],
    }


def epochs(run: RunConfig, shards: Shards) -> dict[str, float]:
    """Return how often a run reads each stream that it draws on."""
    shares = stream_shares(corpus_of(run).streams(), mix_of(run, shards))
    tokens = run.training.steps * run.training.tokens_per_step
    return {stream: tokens * share / max(1, shards.train[stream].tokens) for stream, share in shares.items()}


def tables(made: Made) -> list[Table]:
    """Return provenance, and one row a stream: text, tokens, fertility, epochs."""
    return [table for table in (_provenance(made.shards.provenance), _streams(made)) if table.row_count]


def _provenance(provenance: Mapping[str, Any]) -> Table:
    table = Table(title=f"text of the corpus '{provenance['corpus']}'", title_justify="left")
    for name in ("source", *OF_A_SOURCE):
        table.add_column(name)
    for name, source in provenance.get("sources", {}).items():
        table.add_row(name, *(str(source.get(key, "")) for key in OF_A_SOURCE))
    if "sources" not in provenance:
        table.add_row(provenance.get("source", ""), "", "", provenance.get("licence", ""))
    return table


def _streams(made: Made) -> Table:
    shards = made.shards
    size = f"{shards.vocabulary:,} tokens in the vocabulary"
    table = Table(title=f"{shards.folder.name}: {size}, sha256 {shards.sha256[:12]}", title_justify="left")
    table.caption, table.caption_justify = WORDS if shards.fertility else None, "left"
    table.add_column("stream")
    for name in ("documents", "held out", "text", "tokens", "share", "tokens/word", "bytes/token", "exact", "epochs"):
        table.add_column(name, justify="right")
    read = [epochs(run, shards) for run in made.runs]
    for stream, shard in shards.train.items():
        cut = shards.fertility.get(stream, {})
        most = max((times.get(stream, 0.0) for times in read), default=0.0)
        documents = (f"{shard.documents:,}", f"{shards.heldout[stream].documents:,}")
        amounts = (f"{shard.text_bytes / 1e6:,.1f} MB", format_count(shard.tokens), f"{shards.shares[stream]:.1%}")
        rates = (_rate(cut.get("tokens_per_word")), _rate(cut.get("bytes_per_token")))
        exact = f"{cut['exact_lines'] / max(1, cut['lines']):.1%}" if cut else ""
        table.add_row(stream, *documents, *amounts, *rates, exact, f"{most:.3g}")
    return table


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"

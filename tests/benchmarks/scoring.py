"""Scoring beside lm-evaluation-harness, and what it costs beside training.

``python -m tests.benchmarks.scoring`` writes ``docs/benchmarks/scoring.json`` and ``.md``; ``--only peer`` or ``--only
cost`` measures one part and keeps the other. Both programs read the same exported model, the same prompts and the same
forms on one thread each; times are of the processor, so that other work on the machine weighs little.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calque.data.corpora.sample import SampleConfig, SampleCorpus
from calque.data.languages import LANGUAGES
from calque.data.tokens import tekken, tokenizers
from calque.data.tokens.encoding import Encoding
from calque.data.words.words import word_task
from calque.models.config.sizes import DecoderConfig, size
from calque.models.decoder.decoder import Cache, Decoder
from calque.models.huggingface.export import export
from calque.models.scoring.language_model import DecoderModel
from calque.models.scoring.words import WordScorer
from tests.benchmarks.scoring_harness import agreement, harness, ours, teach, thinned
from tests.benchmarks.scoring_tables import markdown

LANGUAGES_ASKED = ("en", "ru", "fi", "zh")
CONCEPTS, SHOTS, EVERY = 150, 2, 20
CONTEXT, CHECKPOINT_TOKENS = 4096, 185e6


class Counting(DecoderModel):
    """Counts the floating-point operations of what it reads: 2 a weight used, attention and the head included."""

    flops = 0.0

    def read(self, tokens: Tensor, cache: Cache | None = None, last: int | None = None) -> tuple[Tensor, Cache]:
        """Read and count."""
        config = self.decoder.config
        rows, length = tokens.shape
        past = 0 if cache is None else cache[0][0].shape[2]
        self.flops += forward_flops(config, rows * length, past + length / 2, rows * (length if last is None else last))
        return super().read(tokens, cache, last)


def forward_flops(config: DecoderConfig, tokens: int, context: float, heads: int) -> float:
    """Return the operations of reading tokens after ``context`` others on average, with logits at ``heads`` places."""
    body = 2 * config.n_params_non_embedding + 4 * config.layers * config.width * context
    return body * tokens + 2 * config.vocab_size * config.width * heads


def peer(
    folder: Path, config: DecoderConfig, encoding: Encoding, teaching: int, batches: tuple[int, ...]
) -> dict[str, Any]:
    """Ask 150 concepts in all directions by our program, every 20th of these questions by the harness."""
    task = replace(word_task(LANGUAGES_ASKED, SHOTS), nonce={})
    scorer = WordScorer(task, encoding, CONCEPTS)
    decoder = Decoder(config, seed=0)
    loss = teach(decoder, scorer, teaching)
    export(decoder, folder, context=256, tokenizer=encoding.tokenizer, origin={})
    prompts = scorer.prompts
    rows, mine = [], ours(scorer, decoder)
    each = mine.seconds / mine.questions
    for batch in batches:
        theirs = harness(scorer, folder, batch, EVERY)
        rows.append({"batch_size": batch, "questions": theirs.questions, "seconds": theirs.seconds,
                     **agreement(thinned(mine, EVERY), theirs)})  # fmt: skip
    again = ours(scorer, decoder)
    each = min(each, again.seconds / again.questions)
    for row in rows:
        row["ratio"] = row["seconds"] / row["questions"] / each
    return {
        "width": config.width, "layers": config.layers, "vocabulary": config.vocab_size, "questions": len(scorer.items),
        "shots": SHOTS, "forms": sum(len(item.targets) + len(item.sources) for item in scorer.items),
        "loss_nats": loss, "prompt_tokens": sum(map(len, prompts.prompts)), "prompt_tokens_read": prompts.tokens_read,
        "ours_seconds": each * mine.questions,
        "answer_tokens": mine.answer_tokens, "harness": rows,
    }  # fmt: skip


def training_rate(config: DecoderConfig, steps: int = 3, batch: int = 4, context: int = 256) -> float:
    """Return the operations a second of a plain training step: forward, backward, AdamW."""
    decoder = Decoder(config, seed=0)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=1e-3, fused=True)
    tokens = torch.randint(0, config.vocab_size, (batch, context + 1))
    best = float("inf")
    for _ in range(steps):
        began = time.process_time()
        torch.nn.functional.cross_entropy(decoder(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        best = min(best, time.process_time() - began)
    return batch * context * config.flops_per_token(context) / best


def cost() -> dict[str, Any]:
    """Return the share of training that scoring takes at full size, from counted operations and rates measured here."""
    encoding = Encoding(tekken.tokenizer())
    small = Decoder(size("152m", encoding.vocabulary), seed=0)
    part = WordScorer(replace(word_task(LANGUAGES_ASKED, SHOTS), nonce={}), encoding, CONCEPTS)
    counted = Counting(small)
    ours(part, counted)  # untrained: no answer ends early
    seconds = min(ours(part, small).seconds for _ in range(2))
    scoring_rate, trained = counted.flops / seconds, training_rate(small.config)
    whole = WordScorer(replace(word_task(tuple(LANGUAGES), SHOTS), nonce={}), encoding, CONCEPTS)
    full = size("1.7b", encoding.vocabulary)
    scoring = whole_flops(whole, full)
    training = CHECKPOINT_TOKENS * full.flops_per_token(CONTEXT)
    return {
        "questions": len(whole.items), "prompt_tokens": sum(map(len, whole.prompts.prompts)),
        "prompt_tokens_read": whole.prompts.tokens_read, "longest_answer": whole.new_tokens,
        "scoring_flop": scoring, "training_flop_between_checkpoints": training, "share_of_flop": scoring / training,
        "measured_on": {"width": small.config.width, "vocabulary": encoding.vocabulary, "questions": len(part.items),
                        "seconds": seconds, "scoring_flop_per_second": scoring_rate,
                        "training_flop_per_second": trained},
        "rate_of_scoring_over_training": scoring_rate / trained,
        "share_of_time": scoring / training * trained / scoring_rate,
    }  # fmt: skip


def whole_flops(scorer: WordScorer, config: DecoderConfig) -> float:
    """Return the operations of asking everything of a model whose answers never end: the most it can be."""
    items = scorer.items
    longest = max(len(item.prompt) for item in items) + scorer.new_tokens
    forms = [form for item in items for form in item.targets + item.sources]
    later = sum(len(form) - 1 for form in forms)
    decoded = len(items) * (scorer.new_tokens - 1)
    tokens = scorer.prompts.tokens_read + later + decoded
    return forward_flops(config, tokens, longest, len(items) + later + decoded)


def cases() -> Iterator[tuple[str, Encoding, int, tuple[int, ...]]]:
    """Yield sizes, the tokenizers that go with them, steps that teach to end an answer, the harness's batch sizes."""
    texts = tokenizers.training_texts(SampleCorpus(SampleConfig()))
    yield "micro", Encoding(tokenizers.train(texts, 8192)), 150, (1, 16, 64)
    yield "152m", Encoding(tekken.tokenizer()), 10, (16, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("peer", "cost"))
    parser.add_argument("--sizes", nargs="+", default=["micro", "152m"])
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/benchmarks/scoring.json"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = json.loads(given.out.read_text()) if given.only and given.out.exists() else {}
    found["machine"] = {
        "processor": platform.processor() or platform.machine(), "threads": 1, "gpu": None,
    }  # fmt: skip
    found["versions"] = {name: version(name) for name in ("torch", "transformers", "lm_eval")}
    if given.only != "cost":
        with tempfile.TemporaryDirectory() as folder:
            found["peer"] = [
                peer(Path(folder) / name, size(name, encoding.vocabulary), encoding, steps, batches)
                for name, encoding, steps, batches in cases()
                if name in given.sizes
            ]
    if given.only != "peer":
        found["cost"] = cost()
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    given.out.with_suffix(".md").write_text(markdown(found), encoding="utf-8")
    print(markdown(found))


if __name__ == "__main__":
    main()

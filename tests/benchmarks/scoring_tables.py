"""The tables of :mod:`tests.benchmarks.scoring`."""

from __future__ import annotations

from typing import Any


def markdown(found: dict[str, Any]) -> str:
    """Return the measurements as tables."""
    machine, versions = found["machine"], found["versions"]
    lines = [
        f"{machine['processor']}, one thread, processor seconds, float32; torch {versions['torch']}, transformers "
        f"{versions['transformers']}, lm_eval {versions['lm_eval']}.",
        "",
    ]
    for row in found.get("peer", ()):
        lines += _peer(row)
    return "\n".join(lines + (_cost(found["cost"]) if "cost" in found else []))


def _peer(row: dict[str, Any]) -> list[str]:
    each = 1e3 * row["ours_seconds"] / row["questions"]
    return [
        f"Width {row['width']}, {row['layers']} layers, vocabulary {row['vocabulary']:,}, {row['shots']} shots. Ours: "
        f"{row['questions']} questions with {row['forms']} forms in {row['ours_seconds']:.1f} s, {each:.2f} ms a "
        f"question (the better of a round before and one after); answers of {row['answer_tokens']:.1f} tokens on "
        "average.",
        "",
        "| harness, batch size | its questions | ms a question | ratio | equal answers | largest difference |",
        "|---|---|---|---|---|---|",
        *(
            f"| {h['batch_size']} | {h['questions']} | {1e3 * h['seconds'] / h['questions']:.1f} | {h['ratio']:.1f} | "
            f"{h['answers_equal']:.1%} | {h['largest_difference_nats']:.1e} nats |"
            for h in row["harness"]
        ),
        "",
    ]


def _cost(cost: dict[str, Any]) -> list[str]:
    measured = cost["measured_on"]
    rows = (
        ("prompt tokens, and those read with shared prefixes",
         f"{cost['prompt_tokens']:,}, {cost['prompt_tokens_read']:,}"),
        ("operations of scoring, no answer ending early", f"{cost['scoring_flop']:.2e}"),
        ("operations of training on 185M tokens", f"{cost['training_flop_between_checkpoints']:.2e}"),
        ("share of operations", f"{cost['share_of_flop']:.3%}"),
        (f"operations/s, scoring over training, measured at width {measured['width']} on this CPU",
         f"{measured['scoring_flop_per_second']:.2e} / {measured['training_flop_per_second']:.2e} = "
         f"{cost['rate_of_scoring_over_training']:.2f}"),
        ("**share of time, computed**", f"**{cost['share_of_time']:.3%}**"),
    )  # fmt: skip
    return [
        f"| all {cost['questions']:,} questions (81 directed pairs x 150 concepts), 1.7B, between two of 200 "
        "checkpoints | |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in rows),
        "",
    ]

"""Named bases: what a study file's runs differ from. A base states only what the code's defaults do not."""

from __future__ import annotations

from typing import Any

_ONE_CPU: dict[str, Any] = {
    "size": "micro",
    "training": {"tokens": 4_608_000, "context": 128, "batch_size": 4, "learning_rate": 3e-3},
    "checkpoints": {"log_spaced": 20, "first": 25_000, "every": 192_000},
    "evaluation": {"concepts": 20, "minimal_pairs": 60},
}
_ONE_GPU: dict[str, Any] = {
    "size": "152m",
    "training": {
        "tokens": 300_000_000,
        "context": 512,
        "batch_size": 64,
        "learning_rate": 2e-3,
        "beta2": 0.95,
        "warmup_tokens": 6_000_000,
        "decay_fraction": 0.2,
        "precision": "bf16-mixed",
    },
    "checkpoints": {"log_spaced": 30, "first": 1_000_000, "every": 7_500_000},
    "evaluation": {"heldout_tokens": 65_536, "minimal_pairs": 200},
}

BASES: dict[str, dict[str, Any]] = {
    "world-cpu": {
        "size": "micro",
        "corpus": "world",
        "training": {"tokens": 5_120_000, "context": 64, "batch_size": 8, "learning_rate": 2.5e-3},
        "checkpoints": {"log_spaced": 30, "first": 20_000, "every": 192_000},
    },
    "sample-cpu": {
        "corpus": "sample",
        "sample": {"tokenizer": "bpe:512", "shots": 0, "repeat_rate": 0.7, "repeat_words": 2},
        **_ONE_CPU,
    },
    "debian-cpu": {
        "corpus": "debian",
        "debian": {
            "tokenizer": "bpe:2048",
            "languages": ["en", "de", "fi", "id", "ru"],
            "shots": 2,
            "template": "codes",
        },
        "size": "micro",
        "mix": "parallel:0.1,codes+entries:0.6,codes",
        "training": {"tokens": 10_000_000, "context": 128, "batch_size": 8, "learning_rate": 3e-3},
        "checkpoints": {"log_spaced": 20, "first": 50_000, "every": 500_000},
        "evaluation": {
            "words": "catalogue",
            "concepts": 100,
            "heldout_tokens": 4096,
            "minimal_pairs_every": 1000,
            "logprobs_every": 4,
        },
    },
    "debian-gpu": {"corpus": "debian", "debian": {"tokenizer": "bpe:32768", "shots": 2}, **_ONE_GPU},
    "text-cpu": {"corpus": "text", "text": {"tokenizer": "bpe:512"}, **_ONE_CPU},
    "text-gpu": {"corpus": "text", "text": {"tokenizer": "bpe:32768", "shots": 2}, **_ONE_GPU},
    "hub-gpu": {
        "size": "1.7b",
        "corpus": "hub",
        "hub": {"tokenizer": "tekken", "shots": 2, "text_bytes": 20_000_000_000},
        "training": {
            "tokens": 37_000_000_000,
            "context": 4096,
            "batch_size": 128,
            "learning_rate": 3.9e-3,
            "weight_decay": 0.01,
            "beta2": 0.95,
            "warmup_tokens": 500_000_000,
            "decay_fraction": 0.2,
            "precision": "bf16-mixed",
        },
        "checkpoints": {"log_spaced": 40, "first": 4_000_000, "every": 185_000_000},
        "evaluation": {"heldout_tokens": 262_144, "minimal_pairs": 200},
    },
}
"""Bases by the word after ``base:``."""

"""Mutated study files: characters, lines, keys and values that a hostile or careless hand could write."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

import calque.sweeps.api.plan  # noqa: F401  (so that not every child imports it)
import calque.sweeps.cli
from calque.sweeps.study.synonyms import SYNONYMS
from tests.fuzz.frame import Attempt, refused_well, run_command

Rng = np.random.Generator
FULL = """\
#!/usr/bin/env -S sweeps run
study: full
about: everything
base: hub-gpu
results: here
defaults:
  evaluation: {minimal_pairs_every: 4, heldout_tokens: 4096, concepts: 20, logprobs_every: 2}
  training: {tokens: 40k, context: 32, batch_size: 4, warmup_tokens: 2k, decay_fraction: .3, keep_weights: 'last:3',
             learning_rate: 1e-3, beta1: .9, devices: 2, strategy: fsdp2, precision: bf16-mixed}
  checkpoints: {every: 8k, log_spaced: 3, first: 1k, explicit: [2k, 3k], adaptive: {budget: 2, metric: translation}}
runs:
  a: {size: 152m, seeds: [0, 1], mix: &m "en:0.6,de:0.4"}
  b: {base: world-cpu, world: {languages: 3, nouns: 4, cognate_rate: .1, shuffled: yes}, training: &t {optimizer: muon}}
  c: {base: sample-cpu, sample: {tokenizer: 'bpe:512', languages: [en, de]}, mix: {en: 1, de: 2}, training: *t}
  d: {base: debian-gpu, size: 69m, mix: "temperature:0.3", init_seed: 3, data_seed: 4}
  e: {base: text-cpu, text: {folder: none, languages: [en]}, hub: {datasets: {en: a/b}}}
"""
STUDIES = (FULL, *(p.read_text() for p in sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))))
VALUES = (
    "[]", "{}", "null", "true", "~", "-1", "0", "0x", "0b", "1e999", ".nan", ".inf", "-.inf", "2026-13-45",
    "2026-11-30", "[[[[]]]]", "{a: {b: c}}", "? [a]\n: b", "!!python/object:os.system {}", "!!binary aGk=", "!!set {a}",
    "!!timestamp 2026-13-01", "&x [*x]", "*nope", "<<: {a: 1}", "{? {a: 1} : 2}", '"\\x1b[31m"', '"\\ud800"', "\x00",
    "\x1b[31m", "é" * 3000, "x" * 100_000, "9" * 5000, "0x" + "f" * 6000, "9" * 19, "1e18", "1:" * 3000 + "1",
    "- a\n- b", "|", "'", '"', "@", "%", "'5 M'", "5M", "1e400M", "-5k", "0.5", "[0,0]", "[-1]", "[1.5]", "[1e400]",
    "['a']", "drop:en", "only:xx", "temperature:nan", "temperature:1e999", "en:nan", "romanised+disjoint", "parallel:2",
    "..", "/", "a/b", "[" * 5000, "yes", "no", "on", "1_000", "010", "1e-400", "bpe:0", "bpe:9999999999", "every:0",
)  # fmt: skip
KEYS = (*VALUES, "x", "name", "seeds", "training", "runs", *SYNONYMS)
CHARACTERS = "\0\x07\x1b\t\r\x85\u202e\ufeff\ufffd\U0010ffff:-#{}[]&*!|>'\"%@`,?\n "


def some(rng: Rng, choices: str | tuple[str, ...] | list[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def inserted(rng: Rng, text: str) -> str:
    place = int(rng.integers(len(text)))
    return text[:place] + some(rng, VALUES) + text[place:]


def another_value(rng: Rng, text: str) -> str:
    return _replaced(rng, text, r":\s*([^,{}\[\]\n&]+)", VALUES)


def another_key(rng: Rng, text: str) -> str:
    return _replaced(rng, text, r"([A-Za-z_0-9-]+):", KEYS)


def _replaced(rng: Rng, text: str, pattern: str, choices: tuple[str, ...]) -> str:
    found = list(re.finditer(pattern, text))
    if not found:
        return text + some(rng, choices)
    one = found[int(rng.integers(len(found)))]
    return text[: one.start(1)] + some(rng, choices) + text[one.end(1) :]


def removed(rng: Rng, text: str) -> str:
    place = int(rng.integers(len(text)))
    return text[:place] + text[place + int(rng.integers(1, 30)) :]


def another_character(rng: Rng, text: str) -> str:
    place = int(rng.integers(len(text)))
    return text[:place] + some(rng, CHARACTERS) + text[place + 1 :]


def lines_moved(rng: Rng, text: str) -> str:
    lines = text.split("\n")
    line = lines[int(rng.integers(len(lines)))]
    if rng.random() < 0.5:
        lines.remove(line)
    if rng.random() < 0.7:
        lines.insert(int(rng.integers(len(lines) + 1)), " " * int(rng.integers(6)) + line.lstrip())
    return "\n".join(lines)


def cut(rng: Rng, text: str) -> str:
    return text[: int(rng.integers(len(text)))]


CHANGES: tuple[Callable[[Rng, str], str], ...] = (
    inserted, another_value, another_value, another_key, removed, another_character, lines_moved, cut,
)  # fmt: skip


def make(rng: Rng) -> Attempt:
    """Return a mutated study file, planned: a table, or one line and exit 2."""
    text, labels = some(rng, STUDIES), []
    for _ in range(int(rng.integers(1, 4))):
        change = CHANGES[int(rng.integers(len(CHANGES)))]
        text = change(rng, text) or " "
        labels.append(change.__name__)
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.03:
        place = int(rng.integers(len(data)))
        data, labels = data[:place] + bytes([int(rng.integers(128, 256))]) + data[place:], ["not UTF-8"]

    def check(folder: Path) -> str | None:
        ran = run_command(calque.sweeps.cli.main, ["sweeps", "plan", str(folder / "s.yaml")])
        if ran.code:
            return refused_well(ran)
        return None if ran.out.isprintable() or "\x1b" not in ran.out else f"raw escape codes: {ran.out[:200]!r}"

    return Attempt(label=labels[0], files={"s.yaml": data}, check=check)

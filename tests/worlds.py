"""A small simulated world, and its glossaries read back from their text."""

import re

import numpy as np

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import GLOSSARY

SMALL = WorldConfig(
    languages=4, nouns=6, verbs=3, adjectives=3, syllables=12, names=30, nonce=10,
    train_tokens=120_000, heldout_tokens=4_000,
)  # fmt: skip
ENTRY = re.compile(r"<(w\d+)> ([a-z]{4}) <(w\d+)> ([a-z]{4})\.")


def glossary_entries(world, split="train"):
    """Read the glossary's text back: (source, source word, target, target word) of every entry."""
    entries = []
    for document in world.documents(GLOSSARY, split):
        found = ENTRY.findall(document)
        assert len(found) == world.config.glossary_entries
        assert len(" ".join(f"<{a}> {x} <{b}> {y}." for a, x, b, y in found)) == len(document)
        entries += found
    return entries


def string_pairs(world, chosen):
    task = world.word_task()
    return {
        (task.forms[task.languages[s], concept][0], task.forms[task.languages[t], concept][0])
        for k, concept in enumerate(task.concepts)
        for s, t in np.argwhere(chosen[:, :, k])
    }


def leaks(world, entries):
    """Count glossary entries that pair the two strings of a held-out item (a name is no word)."""
    held_out = string_pairs(world, (world.truth.exposure == 0))
    return sum((x, y) in held_out for _, x, _, y in entries)

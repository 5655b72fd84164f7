"""Tekken, the tokenizer of 131,072 tokens that ``mistral-common`` ships, as a ``tokenizers.Tokenizer``.

One interface for all tokenizers, and shards that need no second package to be read. The ids are those of
``mistral_common``'s own ``Tekkenizer``: 1,000 special tokens first (``<s>``, token 1, begins a document), then the byte
sequences in the order of their ranks.
"""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

VOCABULARY = 131_072
SPECIAL = 1_000
FILE = "data/tekken_240718.json"
NAMED = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
         "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
         "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]")  # fmt: skip
"""Names of the first special tokens; the others are ``<SPECIAL_20>`` and so on."""


def tokenizer() -> Tokenizer:
    """Return Tekken; exact on every text, adds no token by itself.

    Raises
    ------
    ModuleNotFoundError
        When ``mistral-common`` is not installed.
    """
    read: dict[str, Any] = json.loads(files("mistral_common").joinpath(FILE).read_bytes())
    ranked = [base64.b64decode(entry["token_bytes"]) for entry in read["vocab"][: VOCABULARY - SPECIAL]]
    letters = _letters()
    names = [*NAMED, *(f"<SPECIAL_{i}>" for i in range(len(NAMED), SPECIAL))]
    words = ["".join(letters[byte] for byte in token) for token in ranked]
    vocabulary = {word: i for i, word in enumerate([*names, *words])}
    assert len(vocabulary) == VOCABULARY, "a special token has the name of another token"
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=_merges(words, vocabulary), ignore_merges=True))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(read["config"]["pattern"]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    made.encode_special_tokens = True
    return made


def _merges(words: list[str], vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Return every pair of tokens that together are a token, in the order in which byte-pair encoding merges them."""
    merges = []
    for word in words:
        pairs = [(word[:i], word[i:]) for i in range(1, len(word))]
        known = [pair for pair in pairs if pair[0] in vocabulary and pair[1] in vocabulary]
        merges += sorted(known, key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
    return merges


def _letters() -> dict[int, str]:
    """Return the printable character that stands for each byte in byte-level vocabularies (GPT-2's table)."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}

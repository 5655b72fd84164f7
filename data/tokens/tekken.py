"""Tekken, the tokenizer of 131,072 tokens that ``mistral-common`` ships, as a ``tokenizers.Tokenizer``.

One interface for all tokenizers, and shards that need no second package to be read. The ids are those of
``mistral_common``'s own ``Tekkenizer``: 1,000 special tokens first (``<s>``, token 1, begins a document), then the byte
sequences in the order of their ranks.
"""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

if TYPE_CHECKING:
    import tiktoken

VOCABULARY = 131_072
SPECIAL = 1_000
FILE = "data/tekken_240718.json"
NAMED = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
         "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
         "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]")  # fmt: skip
"""Names of the first special tokens; the others are ``<SPECIAL_20>`` and so on."""
BYTES_PER_TOKEN = {
    "en": 4.86, "de": 4.30, "ru": 6.30, "zh": 3.10, "ja": 4.03, "ko": 4.49, "tr": 3.39, "fi": 3.11, "id": 3.79,
}  # fmt: skip
"""Measured on the vendored sample (130 kB of declarations and help pages a language): for estimates alone."""
BYTES_PER_ROMANISED_TOKEN = {
    "en": 4.86, "de": 4.18, "ru": 4.63, "zh": 1.93, "ja": 3.15, "ko": 2.19, "tr": 3.34, "fi": 3.15, "id": 3.79,
}  # fmt: skip
"""The same with all text in Latin letters: bytes of the text as it was before, for each token."""


def tokenizer() -> Tokenizer:
    """Return Tekken; exact on every text, adds no token by itself.

    Raises
    ------
    ModuleNotFoundError
        When ``mistral-common`` is not installed.
    """
    read = _read()
    names, words = _names(), _words(read)
    vocabulary = {word: i for i, word in enumerate([*names, *words])}
    assert len(vocabulary) == VOCABULARY, "a special token has the name of another token"
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=_merges(words, vocabulary), ignore_merges=True))
    made.pre_tokenizer = _cut(read)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    made.encode_special_tokens = True
    return made


def encoder(given: Tokenizer) -> tiktoken.Encoding | None:
    """Return what encodes several times faster than ``given``, if that is Tekken, else None.

    Its ids are by ``SPECIAL`` smaller: it knows no special tokens, and no text gives one.
    """
    if given.get_vocab_size() != VOCABULARY or given.token_to_id("<SPECIAL_999>") != SPECIAL - 1:
        return None
    import tiktoken

    read = _read()
    vocabulary = {word: i for i, word in enumerate([*_names(), *_words(read)])}
    cut = given.pre_tokenizer is not None and given.pre_tokenizer.__getstate__() == _cut(read).__getstate__()
    if not cut or given.normalizer is not None or given.get_vocab() != vocabulary:
        return None
    ranks = {token: rank for rank, token in enumerate(_ranked(read))}
    return tiktoken.Encoding("tekken", pat_str=read["config"]["pattern"], mergeable_ranks=ranks, special_tokens={})


def _read() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(files("mistral_common").joinpath(FILE).read_bytes())
    return read


def _ranked(read: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(entry["token_bytes"]) for entry in read["vocab"][: VOCABULARY - SPECIAL]]


def _words(read: dict[str, Any]) -> list[str]:
    letters = _letters()
    return ["".join(letters[byte] for byte in token) for token in _ranked(read)]


def _names() -> list[str]:
    return [*NAMED, *(f"<SPECIAL_{i}>" for i in range(len(NAMED), SPECIAL))]


def _cut(read: dict[str, Any]) -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(Regex(read["config"]["pattern"]), "isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


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

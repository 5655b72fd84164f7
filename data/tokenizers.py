"""Byte-level BPE trained on a corpus, and what two words have in common under a tokenizer."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from data.corpora.base import Corpus
from data.cube import OVERLAPS
from data.errors import UserError
from data.tasks import WordTask

BOS = "<bos>"
SMALLEST_VOCABULARY = 1 + 256
NONE, SHARED_TOKEN, IDENTICAL = range(len(OVERLAPS))
WHOLE_SYLLABLE_SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")
"""First words of Unicode names of characters that are a syllable or a morpheme by themselves."""


def train(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Train a byte-level BPE: deterministic, and exact on every text (no normalisation, no unknown token).

    Text is first cut as GPT-2 does (a run of letters, of digits, or of other signs, each with at most one
    space before it), so that a quotation mark never shares a token with letters.

    Parameters
    ----------
    texts : iterable of str
        Documents; their order does not matter.
    vocabulary : int
        Number of tokens wanted: ``<bos>`` (token 0), the 256 bytes, and merges. Fewer if the text gives
        fewer.

    Returns
    -------
    tokenizers.Tokenizer
        It adds no token by itself.

    Raises
    ------
    UserError
        When ``vocabulary`` is below 257.
    """
    if vocabulary < SMALLEST_VOCABULARY:
        raise UserError(f"a vocabulary of {vocabulary} is too small; expected {SMALLEST_VOCABULARY} or more")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[BOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def training_texts(corpus: Corpus, bytes_per_stream: int = 2_000_000) -> Iterator[str]:
    """Yield training documents of every stream, as many bytes of each (where it has them).

    Equal amounts, so that the vocabulary does not favour the languages with more text.
    """
    for stream in corpus.streams():
        left = bytes_per_stream
        for document in corpus.documents(stream, "train"):
            yield document
            left -= len(document.encode())
            if left <= 0:
                break


def for_corpus(corpus: Corpus, vocabulary: int) -> Tokenizer:
    """Return the corpus's own tokenizer, or one of ``vocabulary`` tokens trained on its training text."""
    own = corpus.tokenizer()
    return train(training_texts(corpus), vocabulary) if own is None else own


def digest(tokenizer: Tokenizer) -> str:
    """Return the SHA-256 of the file that ``save`` writes, in hexadecimal."""
    return hashlib.sha256(tokenizer.to_str(pretty=True).encode()).hexdigest()


def save(tokenizer: Tokenizer, path: str | os.PathLike[str]) -> str:
    """Write ``tokenizer.json`` atomically and return its digest."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            file.write(tokenizer.to_str(pretty=True))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return digest(tokenizer)


def load(path: str | os.PathLike[str]) -> Tokenizer:
    """Read a ``tokenizer.json``.

    Raises
    ------
    UserError
        When the file is missing, damaged, or has no ``<bos>``.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"no tokenizer at {path}; expected a tokenizer.json") from None
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare Exception
        raise UserError(f"{path} is no tokenizer ({error}); remove it to have it made again") from None
    if tokenizer.token_to_id(BOS) is None:
        raise UserError(f"the tokenizer {path} has no token {BOS}, which separates documents")
    return tokenizer


def overlap(tokenizer: Tokenizer, source_form: str, target_form: str) -> int:
    """Return what two words share: 0 none, 1 shared_token, 2 identical (as ``data.cube.OVERLAPS``).

    The words are tokenised as the prompt has them, after a quotation mark: without a space before. Words are
    identical if they are the same string. They share a token if a token with *substance* is in both: one that
    holds two or more complete characters, or one complete character that is a syllable or a morpheme by
    itself (Han, kana, Hangul). Single letters of an alphabet and fragments of a character's UTF-8 bytes have
    none: nearly all words of a script have some of those in common. Words that differ by case alone share a
    token at least.
    """
    return _compare(source_form, target_form, *(_substance(tokenizer, form) for form in (source_form, target_form)))


def overlap_table(tokenizer: Tokenizer, task: WordTask) -> NDArray[np.int8]:
    """Return the overlap of each source word with the target's accepted forms.

    The source word is the headword (the prompt has it); of several accepted target forms the one nearest to
    it counts, so that "none" means that no right answer can be had by copying a token.

    Returns
    -------
    array of int8, shape (L, L, C)
        As :func:`overlap`; -1 where a language lacks the concept.
    """
    forms: Mapping[tuple[str, str], tuple[str, ...]] = task.forms
    tokens = {form: _substance(tokenizer, form) for group in forms.values() for form in group}
    size = len(task.languages)
    table = np.full((size, size, len(task.concepts)), -1, np.int8)
    for k, concept in enumerate(task.concepts):
        for s, source in enumerate(task.languages):
            for t, target in enumerate(task.languages):
                if (source, concept) in forms and (target, concept) in forms:
                    word = forms[source, concept][0]
                    table[s, t, k] = max(
                        _compare(word, form, tokens[word], tokens[form]) for form in forms[target, concept]
                    )
    return table


def _compare(source: str, target: str, source_tokens: frozenset[int], target_tokens: frozenset[int]) -> int:
    if source == target:
        return IDENTICAL
    return SHARED_TOKEN if source_tokens & target_tokens or source.casefold() == target.casefold() else NONE


def _substance(tokenizer: Tokenizer, form: str) -> frozenset[int]:
    ids = tokenizer.encode(form, add_special_tokens=False).ids
    return frozenset(token for token in ids if _has_substance(tokenizer.decode([token])))


def _has_substance(text: str) -> bool:
    characters = text.replace("\N{REPLACEMENT CHARACTER}", "").strip()
    if len(characters) != 1:
        return len(characters) > 1
    return unicodedata.name(characters, "").startswith(WHOLE_SYLLABLE_SCRIPTS)

"""Byte-level BPE trained on a corpus, tokenizer files, and what two words have in common under a tokenizer."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from data.corpora.base import Corpus
from data.cube import OVERLAPS
from data.errors import UserError
from data.files import write_atomically
from data.tasks import WordTask

BOS = "<bos>"
BEGINNINGS = (BOS, "<s>", "<|begin_of_text|>", "<|endoftext|>", "[BOS]", "[CLS]")
"""Names of the token before each document, ours first."""

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
        It adds no token by itself, and takes the text ``<bos>`` for text.

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
    tokenizer.encode_special_tokens = True
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


def digest(tokenizer: Tokenizer) -> str:
    """Return the SHA-256 of the file that ``save`` writes, in hexadecimal."""
    return hashlib.sha256(tokenizer.to_str(pretty=True).encode()).hexdigest()


def save(tokenizer: Tokenizer, path: str | os.PathLike[str]) -> str:
    """Write ``tokenizer.json`` atomically and return its digest."""
    write_atomically(Path(path), tokenizer.to_str(pretty=True).encode())
    return digest(tokenizer)


def load(path: str | os.PathLike[str]) -> Tokenizer:
    """Read a ``tokenizer.json``. Special tokens that stand in a text are then text like any other.

    Raises
    ------
    UserError
        When the file is missing, damaged, or has no token that begins a document.
    """
    tokenizer = _read(Path(path))
    if not any(tokenizer.token_to_id(name) is not None for name in BEGINNINGS):
        raise UserError(f"the tokenizer {path} has none of the tokens {', '.join(BEGINNINGS)}, which begin a document")
    return tokenizer


def load_foreign(path: str | os.PathLike[str]) -> Tokenizer:
    """Read anyone's ``tokenizer.json``; where no token of it begins a document, ``<bos>`` is added at the end.

    Truncation and padding that the file asks for are switched off.

    Raises
    ------
    UserError
        When the file is missing or damaged.
    """
    tokenizer = _read(Path(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if not any(tokenizer.token_to_id(name) is not None for name in BEGINNINGS):
        tokenizer.add_special_tokens([AddedToken(BOS, special=True, normalized=False)])
    return tokenizer


def bos(tokenizer: Tokenizer) -> int:
    """Return the id of the token before each document: the first of ``BEGINNINGS`` that it has."""
    found = [token for name in BEGINNINGS if (token := tokenizer.token_to_id(name)) is not None]
    assert found, "load and load_foreign give no tokenizer without one"
    return found[0]


def _read(path: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no tokenizer at {path}; expected a tokenizer.json") from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise UserError(f"{path} is no tokenizer; expected a tokenizer.json") from None
    except OSError as error:
        raise UserError(f"cannot read the tokenizer {path}: {error.strerror}; choose another") from None
    except Exception as error:  # the library raises bare Exception
        raise UserError(f"{path} is no tokenizer ({error}); expected a tokenizer.json") from None
    tokenizer.encode_special_tokens = True
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

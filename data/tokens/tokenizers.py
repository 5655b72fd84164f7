"""Byte-level BPE trained on a corpus, and tokenizer files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from calque.data.corpus import Corpus
from calque.data.errors import UserError
from calque.data.files import write_atomically

BOS = "<bos>"
BEGINNINGS = (BOS, "<s>", "<|begin_of_text|>", "<|endoftext|>", "[BOS]", "[CLS]")
"""Names of the token before each document, that of Calque's own tokenizers first."""

SMALLEST_VOCABULARY = 1 + 256


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
    """Yield training documents of every stream of ``corpus``: ``bytes_per_stream`` of each, or all that it has.

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
    """Return the SHA-256 of the file that :func:`save` writes for ``tokenizer``, in hexadecimal digits."""
    return hashlib.sha256(tokenizer.to_str(pretty=True).encode()).hexdigest()


def save(tokenizer: Tokenizer, path: str | os.PathLike[str]) -> str:
    """Write ``tokenizer`` atomically to ``path``, a ``tokenizer.json``, and return its SHA-256."""
    data = tokenizer.to_str(pretty=True).encode()
    write_atomically(Path(path), data)
    return hashlib.sha256(data).hexdigest()


def load(path: str | os.PathLike[str]) -> Tokenizer:
    """Read the ``tokenizer.json`` at ``path``. Special tokens inside a text are encoded as plain text.

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
    """Read a foreign ``tokenizer.json`` at ``path``; ``<bos>`` is added where no token begins a document.

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
    """Return the id of the token before each document: the first of ``BEGINNINGS`` in ``tokenizer``."""
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
    except BaseException as error:  # the library raises bare Exception, and panics as a BaseException of its own
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{path} is no tokenizer ({reason}); expected a tokenizer.json") from None
    tokenizer.encode_special_tokens = True
    return tokenizer

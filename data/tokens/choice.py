"""Which tokenizer a corpus has: ``bpe:32768``, ``tekken``, or the path of a ``tokenizer.json``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tokenizers import Tokenizer

from calque.data.errors import UserError, nearest
from calque.data.quantities import parse_count
from calque.data.tokens import tekken, tokenizers

FORMS = "bpe:SIZE (trained on the text), tekken, or the path of a tokenizer.json"


def check(choice: str) -> None:
    """Refuse a choice that names no tokenizer; a file is looked at when it is needed.

    Raises
    ------
    UserError
        When the choice is none of the three, or the size is too small.
    """
    _size(choice)


def vocabulary(choice: str) -> int:
    """Return the number of tokens of a choice; a ``bpe`` may turn out smaller when the text gives fewer.

    Raises
    ------
    UserError
        When the choice is impossible or its file cannot be read.
    """
    size = _size(choice)
    return tokenizers.load_foreign(_path(choice)).get_vocab_size() if size is None else size


def make(choice: str, texts: Callable[[], Iterable[str]]) -> Tokenizer:
    """Return the tokenizer of a choice.

    Parameters
    ----------
    choice : str
    texts : callable
        Gives the documents that a ``bpe`` is trained on; not called otherwise.

    Raises
    ------
    UserError
        When the choice is impossible or its file cannot be read.
    """
    size = _size(choice)
    if choice == "tekken":
        return tekken.tokenizer()
    return tokenizers.load_foreign(_path(choice)) if size is None else tokenizers.train(texts(), size)


def expected_bytes_per_token(choice: str, language: str, romanised: bool = False) -> float | None:
    """Return about how many UTF-8 bytes of text a token of a choice stands for, before there is text; None: not known.

    Parameters
    ----------
    choice : str
    language : str
        Code of the text's language.
    romanised : bool
        Whether the tokens are those of the text in Latin letters; the bytes are those before.
    """
    known = tekken.BYTES_PER_ROMANISED_TOKEN if romanised else tekken.BYTES_PER_TOKEN
    return known.get(language) if choice == "tekken" else None


def identity(choice: str) -> str:
    """Return what tells one choice from another: its words, and for a file the digest of the tokenizer in it."""
    return f"file:{tokenizers.digest(tokenizers.load_foreign(_path(choice)))}" if _size(choice) is None else choice


def _size(choice: str) -> int | None:
    """Return the vocabulary of a choice, or None when a file holds it."""
    if choice == "tekken":
        return tekken.VOCABULARY
    kind, colon, given = choice.partition(":")
    if kind == "bpe" and colon:
        try:
            size = int(parse_count(given))
        except ValueError as error:
            raise UserError(f"tokenizer '{choice}': {error}") from None
        if size < tokenizers.SMALLEST_VOCABULARY:
            least = tokenizers.SMALLEST_VOCABULARY
            raise UserError(f"tokenizer '{choice}' is too small; expected bpe:{least} or more (256 bytes and <bos>)")
        return size
    if choice.endswith(".json"):
        return None
    raise UserError(f"tokenizer '{choice}' is unknown; expected {FORMS}{nearest(choice, ['bpe:32768', 'tekken'])}")


def _path(choice: str) -> Path:
    return Path(choice).expanduser()

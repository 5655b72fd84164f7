"""Tokens that prompts of random tokens are drawn from: those of words, for other tokens may never have been trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calque.data.errors import UserError
from calque.data.tasks import WordTask
from calque.data.tokens.encoding import Encoding
from calque.models.reading.parts import ModelParts


@dataclass(frozen=True, kw_only=True)
class TokenSet:
    """Tokens that may stand in one prompt.

    Attributes
    ----------
    tokens : tuple of int
        Different ones.
    begin : int, optional
        The token that begins a prompt.
    """

    tokens: tuple[int, ...]
    begin: int | None = None


def tokens_of_words(task: WordTask, encoding: Encoding) -> tuple[TokenSet, ...]:
    """Return the tokens of all words of a task: one set for all languages, or one a language where each has a block.

    Parameters
    ----------
    task : WordTask
    encoding : Encoding
    """
    languages = encoding.blocks or (None,)
    found = []
    for block in languages:
        words = [(code, form) for (code, _), forms in task.forms.items() for form in forms if block in (None, code)]
        tokens = {token for code, form in words for token in encoding.encode([(code, form)])}
        begin = encoding.begin(block or task.languages[0])
        found.append(TokenSet(tokens=tuple(sorted(tokens - {begin})), begin=begin))
    return tuple(found)


def tokens_of_model(parts: ModelParts, vocabulary: Sequence[int] | None, begin: int | None) -> tuple[TokenSet, ...]:
    """Return the tokens of a model in memory, whose tokenizer is not known.

    Parameters
    ----------
    parts : ModelParts
    vocabulary : sequence of int, optional
        The tokens; all of the embedding when None.
    begin : int, optional
        The token that begins a prompt.

    Raises
    ------
    UserError
        When the model has no such token.
    """
    rows = parts.embedding.num_embeddings
    tokens = range(rows) if vocabulary is None else vocabulary
    chosen = tuple(sorted({int(token) for token in tokens} - {begin}))
    for name, given in (("vocabulary", chosen), ("begin", () if begin is None else (begin,))):
        if given and not 0 <= min(given) <= max(given) < rows:
            came = min(given) if min(given) < 0 else max(given)
            raise UserError(f"`{name}` has token {came}; expected 0 to {rows - 1}, the tokens of the model")
    return (TokenSet(tokens=chosen, begin=begin),)

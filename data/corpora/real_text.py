"""What all corpora of real text share: languages, a tokenizer, the word list and minimal pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from calque.data.corpus import Split
from calque.data.errors import UserError
from calque.data.languages import LANGUAGES, language
from calque.data.tasks import MinimalPair, WordTask
from calque.data.tokens import choice as tokenizer_choice
from calque.data.tokens import tokenizers
from calque.data.words.minimal_pairs import minimal_pairs
from calque.data.words.templates import DEFAULT, template
from calque.data.words.words import word_task

MOST_SHOTS = 8


@dataclass(frozen=True, kw_only=True)
class RealTextConfig:
    """Settings of every corpus of real text.

    Attributes
    ----------
    languages : tuple of str
        Codes of the languages of training and questions.
    tokenizer : str
        ``bpe:32768`` (a byte-level BPE of 32,768 tokens, trained on the text), ``tekken``, or the path of a
        ``tokenizer.json``.
    shots : int
        Complete lines before every word question.
    shot_seed : int
        Seed that chooses the concepts in those lines.
    template : str
        Name of the template of the word questions (see ``calque.data.words.templates``).

    Raises
    ------
    UserError
        When a code is unknown or repeated, no language is named, or another value is impossible.
    """

    languages: tuple[str, ...] = tuple(LANGUAGES)
    tokenizer: str = "bpe:32768"
    shots: int = 1
    shot_seed: int = 0
    template: str = DEFAULT

    def __post_init__(self) -> None:
        for code in self.languages:
            language(code)
        if not self.languages or len(set(self.languages)) < len(self.languages):
            raise UserError(f"languages is {', '.join(self.languages) or 'empty'}; expected each code once")
        tokenizer_choice.check(self.tokenizer)
        if not 0 <= self.shots <= MOST_SHOTS:
            raise UserError(f"shots is {self.shots}; expected 0 to {MOST_SHOTS}")
        if self.shot_seed < 0:
            raise UserError(f"shot_seed is {self.shot_seed}; expected 0 or more")
        template(self.template)


class RealText(ABC):
    """A corpus of real text: one stream for each language, with questions from the word list and the minimal pairs.

    Parameters
    ----------
    config : RealTextConfig
    """

    name: str

    def __init__(self, config: RealTextConfig) -> None:
        self.config = config
        self.languages = config.languages

    @abstractmethod
    def documents(self, stream: str, split: Split) -> Iterator[str]:
        """Yield the documents of ``stream`` in ``split``; the splits share no document and no paragraph."""

    @abstractmethod
    def provenance(self) -> dict[str, Any]:
        """Return licence, source and settings, as JSON-ready values."""

    def streams(self) -> dict[str, float | None]:
        """Return one stream a language; the mix sets its share."""
        return dict.fromkeys(self.languages)

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer the configuration names; a ``bpe`` is trained on the training text now."""
        return tokenizer_choice.make(self.config.tokenizer, lambda: tokenizers.training_texts(self))

    def word_task(self) -> WordTask:
        """Return the reviewed word list in these languages."""
        return word_task(self.languages, self.config.shots, self.config.shot_seed, self.config.template)

    def minimal_pairs(self) -> tuple[MinimalPair, ...]:
        """Return the pairs of the languages that have the phenomenon."""
        return minimal_pairs(self.languages)

    def check_stream(self, stream: str) -> None:
        """Refuse a stream that this corpus does not have."""
        if stream not in self.streams():
            raise UserError(f"no stream '{stream}' in this corpus; expected one of {', '.join(self.streams())}")

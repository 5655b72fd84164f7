"""The ablation ``romanised``: every script in Latin letters, so that languages share more of their writing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from anyascii import anyascii
from tokenizers import Tokenizer

from calque.data.corpora.real_text import RealText
from calque.data.corpus import Corpus, Split
from calque.data.errors import UserError
from calque.data.mixes.changed import ChangedCorpus
from calque.data.tasks import InContextPrompt, MinimalPair, Segment, WordTask
from calque.data.tokens import choice as tokenizer_choice
from calque.data.tokens import tokenizers
from calque.data.words.words import Prompt, normalise, words

LATIN = "Latn"


class _Table(dict[int, str]):
    """What stands for each character, worked out when it is first met."""

    def __missing__(self, character: int) -> str:
        self[character] = anyascii(chr(character))
        return self[character]


_TABLE = _Table()


def romanise(text: str) -> str:
    """Return a text in ASCII: Latin letters without marks, other scripts transcribed character by character.

    The same text always gives the same (anyascii's tables, which follow common romanisations). Signs that have no
    transcription vanish. Chinese characters read as Mandarin in Japanese too: context is not looked at.
    """
    return text if text.isascii() else text.translate(_TABLE)


def romanise_pairs(pairs: Iterable[MinimalPair]) -> tuple[MinimalPair, ...]:
    """Return minimal pairs in Latin letters; one whose members become equal is dropped."""
    latin = (dataclasses.replace(pair, good=romanise(pair.good), bad=romanise(pair.bad)) for pair in pairs)
    return tuple(pair for pair in latin if pair.good != pair.bad)


@dataclass(frozen=True, kw_only=True)
class RomanisedPrompt:
    """A prompt in Latin letters."""

    prompt: InContextPrompt

    def __call__(self, source: str, target: str, word: str, concept: str | None) -> str:
        """Return the text before the answer."""
        return romanise(self.prompt(source, target, word, concept))

    def segments(self, source: str, target: str, word: str, concept: str | None) -> tuple[Segment, ...]:
        """Return the prompt in pieces, each with its language, in Latin letters.

        Parameters
        ----------
        source : str
            Code of the source language.
        target : str
            Code of the target language.
        word : str
            The source word.
        concept : str or None
            The concept asked for, which is not among the examples.

        Returns
        -------
        tuple of Segment
            Code of the language and text, in order.
        """
        return tuple((code, romanise(text)) for code, text in self.prompt.segments(source, target, word, concept))

    def in_context(self, source: str, target: str, lines: Sequence[tuple[str, str]], word: str) -> tuple[Segment, ...]:
        """Return the question for ``word``, from ``source`` to ``target``, after ``lines``, all in Latin letters."""
        return tuple((code, romanise(text)) for code, text in self.prompt.in_context(source, target, lines, word))


class RomanisedCorpus(ChangedCorpus):
    """A corpus of real text in Latin letters: documents, words, invented words and minimal pairs alike.

    Raises
    ------
    UserError
        When the corpus is no real text: the simulated world is written in Latin letters already.
    """

    def __init__(self, inner: Corpus) -> None:
        if not isinstance(inner, RealText):
            raise UserError(
                f"mix 'romanised' changes nothing in the corpus '{inner.name}', which is in Latin letters already; "
                "expected a corpus of real text"
            )
        super().__init__(inner)
        self.config = inner.config

    def part_documents(self, stream: str, part: str, split: Split) -> Iterator[str]:
        """Yield the documents of one part in Latin letters; one of which nothing is left is dropped."""
        return filter(None, map(romanise, super().part_documents(stream, part, split)))

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer the configuration names; a ``bpe`` is trained on the romanised text."""
        return tokenizer_choice.make(self.config.tokenizer, partial(tokenizers.training_texts, self))

    def aligned(self, first: str, second: str, split: Split) -> Iterator[tuple[str, str]]:
        """Return the lines of two languages that translate each other, in Latin letters."""
        return ((romanise(one), romanise(other)) for one, other in super().aligned(first, second, split))

    def word_task(self) -> WordTask:
        """Return the words in Latin letters; forms that become equal count once, real invented words go."""
        task = self.inner.word_task()
        assert isinstance(task.prompt, Prompt), "real text is asked with the word list"
        examples = tuple(filter(_shows_no_copy, task.prompt.examples))
        prompt = RomanisedPrompt(prompt=dataclasses.replace(task.prompt, examples=examples))
        forms = {key: _once(map(romanise, found)) for key, found in task.forms.items()}
        real = {normalise(form) for found in forms.values() for form in found}
        nonce = {
            code: tuple(word for word in _once(map(romanise, found)) if normalise(word) not in real)
            for code, found in task.nonce.items()
        }
        return dataclasses.replace(
            task, forms=forms, nonce=nonce, prompt=prompt, stop=romanise(task.stop),
            scripts=dict.fromkeys(task.languages, LATIN),
        )  # fmt: skip

    def minimal_pairs(self) -> tuple[MinimalPair, ...]:
        """Return the pairs in Latin letters."""
        return romanise_pairs(self.inner.minimal_pairs())

    def provenance(self) -> dict[str, Any]:
        """Return licence, source and settings, and what was changed."""
        return {**self.inner.provenance(), "romanised": "with anyascii, character by character"}


def _shows_no_copy(concept: str) -> bool:
    """Whether all languages' words for a concept differ in Latin letters too."""
    whole = words()
    latin = {normalise(romanise(whole.headword(code, concept))) for code in whole.languages}
    return len(latin) == len(whole.languages)


def _once(forms: Iterator[str]) -> tuple[str, ...]:
    """Return words in their order, each once however it is cased, the empty ones left out."""
    found: dict[str, str] = {}
    for form in filter(None, forms):
        found.setdefault(normalise(form), form)
    return tuple(found.values())

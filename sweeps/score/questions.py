"""Questions to a model that Calque did not train: words, minimal pairs, held-out text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calque.data.corpora.sample import SampleConfig, SampleCorpus
from calque.data.corpora.text.config import TextConfig
from calque.data.corpora.text.documents import documents
from calque.data.corpora.text.folder import text_files
from calque.data.errors import UserError
from calque.data.languages import LANGUAGES
from calque.data.tasks import WordTask
from calque.data.tokens.encoding import Encoding
from calque.data.words.minimal_pairs import minimal_pairs
from calque.data.words.templates import DEFAULT
from calque.data.words.words import word_task
from calque.models.scoring.scorer import Scorer
from calque.models.scoring.selection import EVERYTHING, Selection
from calque.models.scoring.texts import HeldOut, MinimalPairScorer
from calque.models.scoring.words import WordScorer
from calque.sweeps.trial.scoring import first_pairs

SAMPLE, NO_TEXT = "sample", "none"


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Settings of the questions.

    Attributes
    ----------
    languages : tuple of str
        Codes; every ordered pair of them is asked, and every language with itself.
    template : str
        Template of the word questions.
    shots, shot_seed : int
        Number of complete lines before every word question, and the seed that chooses them.
    concepts, minimal_pairs : int, optional
        Number of concepts that are asked, the first ones, and most pairs of a language and phenomenon; None is all.
    heldout : str
        Text for the loss: ``sample`` (vendored help pages), ``none``, or a folder in the form of the corpus ``text``.
    heldout_tokens, context : int
        Tokens of a language, and of the windows in which they are read.
    selection : Selection
        Which tasks are asked, and how many of their items.

    Raises
    ------
    UserError
        When a value is impossible.
    """

    languages: tuple[str, ...] = tuple(LANGUAGES)
    template: str = DEFAULT
    shots: int = 2
    shot_seed: int = 0
    concepts: int | None = None
    minimal_pairs: int | None = None
    heldout: str = SAMPLE
    heldout_tokens: int = 4096
    context: int = 256
    selection: Selection = EVERYTHING

    def __post_init__(self) -> None:
        if not self.languages or len(set(self.languages)) < len(self.languages):
            raise UserError(f"`languages` is {', '.join(self.languages) or 'empty'}; expected each code once")
        for name in ("concepts", "minimal_pairs", "heldout_tokens", "context"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"`{name}` is {value}; expected 1 or more")
        if self.heldout not in (SAMPLE, NO_TEXT) and not Path(self.heldout).expanduser().is_dir():
            raise UserError(f"`heldout` is '{self.heldout}'; expected {SAMPLE}, {NO_TEXT} or a folder of text")
        self.task()
        if self.heldout not in (SAMPLE, NO_TEXT):
            text_files(self._text())

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values; the selection only where it is not everything."""
        found = asdict(self) | {"languages": list(self.languages)}
        del found["selection"]
        if self.selection != EVERYTHING:
            found |= {**asdict(self.selection), "tasks": list(self.selection.tasks)}
        return found

    def task(self) -> WordTask:
        """Return the word questions."""
        return word_task(self.languages, self.shots, self.shot_seed, self.template)

    def scorer(self, encoding: Encoding, positions: int | None, log: Selection | None = None) -> Scorer:
        """Return the scorer of these questions for a tokenizer.

        Parameters
        ----------
        encoding : Encoding
        positions : int, optional
            Longest input of the model, in tokens.
        log : Selection, optional
            Of the answers that are logged.

        Raises
        ------
        UserError
            When a question is longer than that, or the held-out text cannot be read.
        """
        words = WordScorer(self.task(), encoding, self.concepts, self.selection)
        longest = max((len(item.prompt) for item in words.items + words.nonces), default=0) + words.new_tokens
        if positions is not None and longest > positions:
            raise UserError(f"the longest question has {longest} tokens and the model takes {positions}; lower `shots`")
        pairs = first_pairs(minimal_pairs(self.languages), self.minimal_pairs)
        context = self.context if positions is None else min(self.context, positions)
        texts = {code: _windows(self._documents(code), encoding, code, self.heldout_tokens, context)
                 for code in self.languages if self.heldout != NO_TEXT and "loss" in self.selection.tasks}  # fmt: skip
        asked = MinimalPairScorer(pairs, encoding, self.languages, self.selection)
        return Scorer(words, asked, texts, self.languages, log)

    def _documents(self, code: str) -> Iterator[str]:
        if self.heldout == SAMPLE:
            yield from SampleCorpus(SampleConfig(languages=self.languages)).documents(code, "heldout")
            return
        config = self._text()
        for file in text_files(config)[code]:
            yield from documents(file.path, str(file.path), config, lambda ordinal: True)

    def _text(self) -> TextConfig:
        return TextConfig(folder=self.heldout, languages=self.languages)


def _windows(documents: Iterator[str], encoding: Encoding, code: str, tokens: int, context: int) -> HeldOut:
    """Return the first ``tokens`` tokens of documents in windows; a document follows the token that begins one."""
    ids: list[int] = []
    size = 0
    for document in documents:
        ids += [encoding.begin(code), *encoding.encode([(code, document)])]
        size += len(document.encode())
        if len(ids) > tokens:
            break
    if len(ids) < 2:
        raise UserError(f"`heldout` has no text in '{code}'; give some, or leave the language out of `languages`")
    width = min(context, len(ids) - 1) + 1
    count = max(1, min(tokens, len(ids)) // width)
    windows = np.array(ids[: count * width], np.int64).reshape(count, width)
    return HeldOut(windows=windows, bytes_per_token=size / len(ids))

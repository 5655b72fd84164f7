"""Asking a model for words: translation over all directed pairs, same-language repetition, invented words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from data.cube import NOT_ASKED
from data.encoding import Encoding
from data.tasks import SegmentedPrompt, WordTask
from data.words import normalise
from models.decoder import Decoder
from models.scoring.generation import batches_by_length, continuation_logprob, greedy, read_prompts

WRONG, TRANSLATED, COPIED, OTHER_LANGUAGE = range(4)


@dataclass(kw_only=True)
class _Item:
    place: tuple[int, ...]
    target: str
    prompt: list[int]
    targets: list[list[int]]
    sources: list[list[int]]
    accepted: frozenset[str]
    source_words: frozenset[str]
    elsewhere: Mapping[str, frozenset[str]] = field(default_factory=dict)


class WordScorer:
    """Asks a :class:`~data.tasks.WordTask` of a decoder; prompts and answers are tokenised once.

    Parameters
    ----------
    task : WordTask
    encoding : Encoding
        The token that begins a document begins every prompt. Prompt and answer are tokenised apart, as they meet in a
        continuation; where languages have blocks of tokens, so is each piece of a prompt.
    max_concepts : int, optional
        Ask only the first so many concepts; the others count as not asked.
    """

    def __init__(self, task: WordTask, encoding: Encoding, max_concepts: int | None = None) -> None:
        self.task, self.encoding = task, encoding
        self.concepts = task.concepts[:max_concepts]
        self.said = {
            concept: {code: frozenset(map(normalise, task.forms.get((code, concept), ()))) for code in task.languages}
            for concept in self.concepts
        }
        self.items = [item for place in self._places() if (item := self._item(*place)) is not None]
        self.nonces = [item for place in self._nonce_places() for item in [self._nonce(*place)]]
        longest = max((len(form) for item in self.items + self.nonces for form in item.targets), default=1)
        self.new_tokens = longest + max(1, len(encoding.encode([(task.languages[0], task.stop)])))

    def _places(self) -> list[tuple[int, int, int]]:
        n, c = len(self.task.languages), len(self.concepts)
        return [(s, t, k) for s in range(n) for t in range(n) for k in range(c)]

    def _nonce_places(self) -> list[tuple[int, int]]:
        languages = self.task.languages
        return [(i, k) for i, code in enumerate(languages) for k in range(len(self.task.nonce.get(code, ())))]

    def _question(self, source: str, target: str, word: str, concept: str | None) -> list[int]:
        prompt = self.task.prompt
        if isinstance(prompt, SegmentedPrompt):
            pieces = prompt.segments(source, target, word, concept)
        else:
            pieces = ((target, prompt(source, target, word, concept)),)
        return [self.encoding.begin(pieces[0][0]), *self.encoding.encode(pieces)]

    def _item(self, s: int, t: int, k: int) -> _Item | None:
        task, concept = self.task, self.concepts[k]
        source, target = task.languages[s], task.languages[t]
        if (source, concept) not in task.forms or (target, concept) not in task.forms:
            return None
        given, wanted = task.forms[source, concept], task.forms[target, concept]
        return _Item(
            place=(s, t, k),
            target=target,
            prompt=self._question(source, target, given[0], concept),
            targets=[self.encoding.encode([(target, form)]) for form in wanted],
            sources=[self.encoding.encode([(source, given[0])])],
            accepted=frozenset(map(normalise, wanted)),
            source_words=frozenset({normalise(given[0])}),
            elsewhere=self.said[concept],
        )

    def _nonce(self, i: int, k: int) -> _Item:
        code = self.task.languages[i]
        word = self.task.nonce[code][k]
        said = [self.encoding.encode([(code, word)])]
        return _Item(
            place=(i, k), target=code, prompt=self._question(code, code, word, None), targets=said, sources=said,
            accepted=frozenset({normalise(word)}), source_words=frozenset({normalise(word)}),
        )  # fmt: skip

    def _outcome(self, item: _Item, answer: list[int]) -> int:
        text, block = self.encoding.decode(answer)
        word = normalise(text.partition(self.task.stop.strip())[0])
        if word in item.accepted and block in (None, item.target):
            return TRANSLATED
        if word in item.source_words:
            return COPIED
        known = any(word in forms for code, forms in item.elsewhere.items() if block in (None, code))
        return OTHER_LANGUAGE if known else WRONG

    @torch.inference_mode()
    def __call__(self, decoder: Decoder) -> dict[str, NDArray[np.generic]]:
        """Ask everything and return the cube's variables of one checkpoint.

        Returns
        -------
        dict
            ``translation_outcome`` int8 and ``translation_logprob``, ``copy_logprob`` float32 (nats), each of shape
            (L, L, C); ``nonce_copied`` and ``nonce_total`` of shape (L,), NaN for a language without invented words.
        """
        shape = (len(self.task.languages),) * 2 + (len(self.task.concepts),)
        outcome = np.full(shape, NOT_ASKED, np.int8)
        translation = np.full(shape, np.nan, np.float32)
        copy = np.full(shape, np.nan, np.float32)
        nonce = np.full((len(self.task.languages), 2), np.nan)
        for item in self.nonces:
            nonce[item.place[0]] = 0.0, sum(other.place[0] == item.place[0] for other in self.nonces)
        for item, answer, to_target, to_source in self._ask(decoder, self.items):
            outcome[item.place] = self._outcome(item, answer)
            translation[item.place], copy[item.place] = to_target, to_source
        for item, answer, _, _ in self._ask(decoder, self.nonces):
            nonce[item.place[0], 0] += self._outcome(item, answer) == TRANSLATED
        return {
            "translation_outcome": outcome, "translation_logprob": translation, "copy_logprob": copy,
            "nonce_copied": nonce[:, 0], "nonce_total": nonce[:, 1],
        }  # fmt: skip

    def _ask(self, decoder: Decoder, items: list[_Item]) -> list[tuple[_Item, list[int], float, float]]:
        device = decoder.embedding.weight.device
        answers: list[tuple[_Item, list[int], float, float]] = []
        for members in batches_by_length([item.prompt for item in items], self.new_tokens):
            batch = [items[i] for i in members]
            first, cache = read_prompts(decoder, torch.tensor([item.prompt for item in batch], device=device))
            forms = [(row, form) for row, item in enumerate(batch) for form in item.targets + item.sources]
            width = max(len(form) for _, form in forms)
            padded = torch.tensor([form + [-1] * (width - len(form)) for _, form in forms], device=device)
            rows = torch.tensor([row for row, _ in forms], device=device)
            logprob = continuation_logprob(decoder, first, cache, rows, padded).cpu().numpy()
            said = greedy(decoder, first, cache, self.new_tokens).cpu().tolist()
            place = 0
            for item, answer in zip(batch, said, strict=True):
                middle, end = place + len(item.targets), place + len(item.targets) + len(item.sources)
                to_target = float(np.logaddexp.reduce(logprob[place:middle]))
                answers.append((item, answer, to_target, float(np.logaddexp.reduce(logprob[middle:end]))))
                place = end
        return answers

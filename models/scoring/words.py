"""Word questions: translation over all directed pairs, same-language copying, invented words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calque.data.cube import NOT_ASKED
from calque.data.tasks import SegmentedPrompt, WordTask
from calque.data.tokens.encoding import Encoding
from calque.data.words.words import normalise
from calque.models.decoder.decoder import Cache, Decoder
from calque.models.scoring.generation import continuation_logprob, greedy
from calque.models.scoring.language_model import LanguageModel, language_model
from calque.models.scoring.prompts import Prompts
from calque.models.scoring.questions import Answer, Question, Report, no_report

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""The sign for a space in vocabularies of SentencePiece."""
REPORT_EVERY = 256
"""Answers from one report to the next."""
WRONG, TRANSLATED, COPIED, OTHER_LANGUAGE = range(4)


class WordScorer:
    """Scores a model on a :class:`~calque.data.tasks.WordTask`; prompts and answers are tokenised once.

    Parameters
    ----------
    task : WordTask
    encoding : Encoding
        Its token that begins a document is put before every prompt. Prompt and answer are tokenised separately, as they
        are in a continuation; where languages have blocks of tokens, so is each piece of a prompt.
    max_concepts : int, optional
        Number of concepts that are asked, the first ones; the others are recorded as not asked.
    """

    def __init__(self, task: WordTask, encoding: Encoding, max_concepts: int | None = None) -> None:
        self.task, self.encoding = task, encoding
        self.concepts = task.concepts[:max_concepts]
        self.words_by_language = {
            concept: {code: frozenset(map(normalise, task.forms.get((code, concept), ()))) for code in task.languages}
            for concept in self.concepts
        }
        self.items = [item for place in self._places() if (item := self._item(*place)) is not None]
        self.nonces = [self._nonce(*place) for place in self._nonce_places()]
        longest = max((len(form) for item in self.items + self.nonces for form in item.targets), default=1)
        self.new_tokens = longest + max(1, len(encoding.encode([(task.languages[0], task.stop)])))
        self.prompts = Prompts([item.prompt for item in self.items + self.nonces], self.new_tokens)

    def _places(self) -> list[tuple[int, int, int]]:
        n, c = len(self.task.languages), len(self.concepts)
        return [(s, t, k) for s in range(n) for t in range(n) for k in range(c)]

    def _nonce_places(self) -> list[tuple[int, int]]:
        languages = self.task.languages
        return [(i, k) for i, code in enumerate(languages) for k in range(len(self.task.nonce.get(code, ())))]

    @cached_property
    def stops(self) -> torch.Tensor:
        """Which tokens end an answer, bool, shape (vocabulary,): those whose text contains the stop string."""
        ids = [[token] for token in range(self.encoding.size)]
        texts = self.encoding.tokenizer.decode_batch(ids, skip_special_tokens=False)
        sign = self.task.stop.strip()
        return torch.tensor([sign in text for text in texts] * max(1, len(self.encoding.blocks)))

    def _question(self, source: str, target: str, word: str, concept: str | None) -> dict[str, Any]:
        prompt = self.task.prompt
        if isinstance(prompt, SegmentedPrompt):
            pieces = prompt.segments(source, target, word, concept)
        else:
            pieces = ((target, prompt(source, target, word, concept)),)
        tokens = [self.encoding.begin(pieces[0][0]), *self.encoding.encode(pieces)]
        return {"text": "".join(text for _, text in pieces), "prompt": tokens}

    def _answer_tokens(self, code: str, text: str) -> list[int]:
        """Return the tokens of an answer that follows a prompt without a space.

        A tokenizer that begins every text with a space is given the stop string before the answer, which is cut off.
        """
        tokens = self.encoding.encode([(code, text)])
        if not (self.encoding.tokenizer.id_to_token(tokens[0] % self.encoding.size) or "").startswith(SPACE):
            return tokens
        sign = self.task.stop.strip()
        before, both = self.encoding.encode([(code, sign)]), self.encoding.encode([(code, sign + text)])
        return both[len(before) :] if both[: len(before)] == before else tokens

    def _item(self, s: int, t: int, k: int) -> Question | None:
        task, concept = self.task, self.concepts[k]
        source, target = task.languages[s], task.languages[t]
        if (source, concept) not in task.forms or (target, concept) not in task.forms:
            return None
        given, wanted = task.forms[source, concept], task.forms[target, concept]
        return Question(
            place=(s, t, k),
            target=target,
            **self._question(source, target, given[0], concept),
            targets=[self._answer_tokens(target, form) for form in wanted],
            sources=[self._answer_tokens(source, given[0])],
            accepted=frozenset(map(normalise, wanted)),
            source_words=frozenset({normalise(given[0])}),
            elsewhere=self.words_by_language[concept],
        )

    def _nonce(self, i: int, k: int) -> Question:
        code = self.task.languages[i]
        word = self.task.nonce[code][k]
        tokens = [self._answer_tokens(code, word)]
        return Question(
            place=(i, k), target=code, **self._question(code, code, word, None), targets=tokens, sources=tokens,
            accepted=frozenset({normalise(word)}), source_words=frozenset({normalise(word)}),
        )  # fmt: skip

    def outcome(self, item: Question, answer: list[int]) -> int:
        """Return the outcome of ``answer``, tokens, to ``item``: wrong, translated, copied or another language."""
        text, block = self.encoding.decode(answer)
        word = normalise(text.partition(self.task.stop.strip())[0])
        if word in item.accepted and block in (None, item.target):
            return TRANSLATED
        if word in item.source_words:
            return COPIED
        known = any(word in forms for code, forms in item.elsewhere.items() if block in (None, code))
        return OTHER_LANGUAGE if known else WRONG

    def __call__(
        self, model: Decoder | LanguageModel, report: Report = no_report, *, logprobs: bool = True
    ) -> dict[str, NDArray[np.generic]]:
        """Ask all questions and return the variables of one checkpoint.

        Parameters
        ----------
        model : Decoder or LanguageModel
        report : callable
            Called with the number of answers so far, and of all.
        logprobs : bool
            Whether to compute log-probabilities; they are NaN otherwise.

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
        for done, answer in enumerate(self.answers(model, logprobs)):
            if done % REPORT_EVERY == 0:
                report(done, len(self.items) + len(self.nonces))
            place = answer.question.place
            found = self.outcome(answer.question, answer.tokens)
            if len(place) == 2:
                nonce[place[0], 0] += found == TRANSLATED
                continue
            outcome[place] = found
            if logprobs:
                translation[place] = np.logaddexp.reduce(answer.targets)
                copy[place] = np.logaddexp.reduce(answer.sources)
        return {
            "translation_outcome": outcome, "translation_logprob": translation, "copy_logprob": copy,
            "nonce_copied": nonce[:, 0], "nonce_total": nonce[:, 1],
        }  # fmt: skip

    @torch.inference_mode()
    def answers(self, model: Decoder | LanguageModel, logprobs: bool = True) -> Iterator[Answer]:
        """Yield the answer of ``model`` to every question, in no fixed order; without ``logprobs`` the tokens alone."""
        reader, questions = language_model(model), self.items + self.nonces
        # a model may have more logits than its tokenizer has tokens
        stops = torch.zeros(reader.vocabulary, dtype=torch.bool)
        stops[: len(self.stops)] = self.stops[: reader.vocabulary]
        stops = stops.to(reader.device)
        for members, first, cache in self.prompts.read(reader):
            batch = [questions[i] for i in members]
            logprob = _logprobs(reader, batch, first, cache) if logprobs else np.empty(0, np.float32)
            place = 0
            for item, tokens in zip(batch, greedy(reader, first, cache, self.new_tokens, stops), strict=True):
                middle, end = place + len(item.targets), place + len(item.targets) + len(item.sources)
                yield Answer(question=item, tokens=tokens, targets=logprob[place:middle], sources=logprob[middle:end])
                place = end


def _logprobs(
    model: LanguageModel, batch: Sequence[Question], first: torch.Tensor, cache: Cache
) -> NDArray[np.float32]:
    """Return log p of every target form of each question, then of its source forms, one question after the other."""
    forms = [(row, form) for row, item in enumerate(batch) for form in item.targets + item.sources]
    rows, form_tokens = map(list, zip(*forms, strict=True))
    return np.asarray(continuation_logprob(model, first, cache, rows, form_tokens).cpu().numpy())

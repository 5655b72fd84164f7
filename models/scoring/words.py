"""Word questions: translation over all directed pairs, same-language copying, invented words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calque.data.answers import LoggedAnswer
from calque.data.cube import NOT_ASKED, OUTCOMES
from calque.data.tasks import SegmentedPrompt, WordTask
from calque.data.tokens.encoding import Encoding
from calque.data.words.words import normalise
from calque.models.decoder.decoder import Decoder
from calque.models.scoring.generation import greedy
from calque.models.scoring.language_model import LanguageModel, language_model
from calque.models.scoring.prompts import Prompts
from calque.models.scoring.questions import Answer, Keep, Question, Report, no_report
from calque.models.scoring.selection import EVERYTHING, Selection
from calque.models.scoring.share import ALONE, Share
from calque.models.scoring.word_logprobs import forms_logprobs, together

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
    selection : Selection
        Which word questions and which invented words are asked.
    """

    def __init__(
        self, task: WordTask, encoding: Encoding, max_concepts: int | None = None, selection: Selection = EVERYTHING
    ) -> None:
        self.task, self.encoding = task, encoding
        self._encoded: dict[tuple[str, str], list[int]] = {}
        self.concepts = task.concepts[:max_concepts]
        self.words_by_language = {
            concept: {code: frozenset(map(normalise, task.forms.get((code, concept), ()))) for code in task.languages}
            for concept in self.concepts
        }
        places, nonces = self._places(), self._nonce_places()
        self.possible = {"words": len(places), "nonce": len(nonces)}
        self.items = [self._item(*places[i]) for i in selection.pick("words", len(places))]
        self.nonces = [self._nonce(*nonces[i]) for i in selection.pick("nonce", len(nonces))]
        # of all items, so that a sample of them is answered as it would be among all
        longest = max(map(len, self._possible_answers()), default=1)
        self.new_tokens = longest + max(1, len(encoding.encode([(task.languages[0], task.stop)])))
        self.prompts = Prompts([item.prompt for item in self.items + self.nonces], self.new_tokens)

    def _places(self) -> list[tuple[int, int, int]]:
        known, languages = self.task.forms, self.task.languages
        return [
            (s, t, k)
            for s, source in enumerate(languages)
            for t, target in enumerate(languages)
            for k, concept in enumerate(self.concepts)
            if (source, concept) in known and (target, concept) in known
        ]

    def _nonce_places(self) -> list[tuple[int, int]]:
        languages = self.task.languages
        return [(i, k) for i, code in enumerate(languages) for k in range(len(self.task.nonce.get(code, ())))]

    def _possible_answers(self) -> Iterator[list[int]]:
        for code in self.task.languages:
            for concept in self.concepts:
                for form in self.task.forms.get((code, concept), ()):
                    yield self.answer_tokens(code, form)
            for word in self.task.nonce.get(code, ()):
                yield self.answer_tokens(code, word)

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

    def answer_tokens(self, code: str, text: str) -> list[int]:
        """Return the tokens of an answer, a ``text`` of the language ``code``, that follows a prompt without a space.

        A tokenizer that begins every text with a space is given the stop string before the answer, which is cut off.
        """
        if (code, text) not in self._encoded:
            self._encoded[code, text] = self._encode_answer(code, text)
        return self._encoded[code, text]

    def _encode_answer(self, code: str, text: str) -> list[int]:
        tokens = self.encoding.encode([(code, text)])
        if not (self.encoding.tokenizer.id_to_token(tokens[0] % self.encoding.size) or "").startswith(SPACE):
            return tokens
        sign = self.task.stop.strip()
        before, both = self.encoding.encode([(code, sign)]), self.encoding.encode([(code, sign + text)])
        return both[len(before) :] if both[: len(before)] == before else tokens

    def _item(self, s: int, t: int, k: int) -> Question:
        task, concept = self.task, self.concepts[k]
        source, target = task.languages[s], task.languages[t]
        given, wanted = task.forms[source, concept], task.forms[target, concept]
        return Question(
            place=(s, t, k),
            target=target,
            **self._question(source, target, given[0], concept),
            targets=[self.answer_tokens(target, form) for form in wanted],
            sources=[self.answer_tokens(source, given[0])],
            accepted=frozenset(map(normalise, wanted)),
            source_words=frozenset({normalise(given[0])}),
            elsewhere=self.words_by_language[concept],
        )

    def _nonce(self, i: int, k: int) -> Question:
        code = self.task.languages[i]
        word = self.task.nonce[code][k]
        tokens = [self.answer_tokens(code, word)]
        return Question(
            place=(i, k), target=code, **self._question(code, code, word, None), targets=tokens, sources=tokens,
            accepted=frozenset({normalise(word)}), source_words=frozenset({normalise(word)}),
        )  # fmt: skip

    def said(self, answer: list[int]) -> tuple[str, str | None]:
        """Return the text of ``answer``, tokens, up to the stop string, and the language of its block of tokens."""
        text, block = self.encoding.decode(answer)
        return text.partition(self.task.stop.strip())[0], block

    def outcome(self, item: Question, answer: list[int]) -> int:
        """Return the outcome of ``answer``, tokens, to ``item``: wrong, translated, copied or another language."""
        text, block = self.said(answer)
        word = normalise(text)
        if word in item.accepted and block in (None, item.target):
            return TRANSLATED
        if word in item.source_words:
            return COPIED
        known = any(word in forms for code, forms in item.elsewhere.items() if block in (None, code))
        return OTHER_LANGUAGE if known else WRONG

    def __call__(
        self, model: Decoder | LanguageModel, report: Report = no_report, *, logprobs: bool = True,
        log: Selection | None = None, keep: Keep | None = None, share: Share = ALONE,
    ) -> dict[str, NDArray[np.generic]]:  # fmt: skip
        """Ask all questions and return the variables of one checkpoint.

        What a model answers with numbers that are not finite is missing, as if it had not been asked.

        Parameters
        ----------
        model : Decoder or LanguageModel
        report : callable
            Called with the number of answers so far, and of all.
        logprobs : bool
            Whether to compute log-probabilities; they are NaN otherwise.
        log : Selection, optional
            Of the answers that are logged.
        keep : callable, optional
            Called with each of them.
        share : Share
            Of this process; all processes get the same result.

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
        logged = self._logged(log)
        questions, mine, done = self.items + self.nonces, dict[int, list[_Found]](), 0
        for number, members, answers in self._batches(model, logprobs, share):
            mine[number] = []
            for i, said in zip(members, answers, strict=True):
                if done % REPORT_EVERY == 0:
                    report(done, len(questions))
                mine[number].append((i, *said))
                done += 1
        for i, tokens, targets, sources in (one for batch in share.together(mine).values() for one in batch):
            answer = Answer(question=questions[i], tokens=tokens, targets=targets, sources=sources)
            place = answer.question.place
            if keep is not None and place in logged:
                keep(self._row(answer))
            if answer.tokens is None:
                continue
            found = self.outcome(answer.question, answer.tokens)
            if len(place) == 2:
                nonce[place[0]] = np.nan_to_num(nonce[place[0]]) + (found == TRANSLATED, 1)
                continue
            outcome[place] = found
            if logprobs:
                translation[place], copy[place] = together(answer.targets), together(answer.sources)
        return {
            "translation_outcome": outcome, "translation_logprob": translation, "copy_logprob": copy,
            "nonce_copied": nonce[:, 0], "nonce_total": nonce[:, 1],
        }  # fmt: skip

    def _logged(self, log: Selection | None) -> frozenset[tuple[int, ...]]:
        if log is None:
            return frozenset()
        parts = (("words", self.items), ("nonce", self.nonces))
        return frozenset(items[i].place for name, items in parts for i in log.pick(name, len(items)))

    def _row(self, answer: Answer) -> LoggedAnswer:
        item, task, tokens = answer.question, self.task, answer.tokens
        expected: tuple[str, ...]
        if len(item.place) == 2:
            source, concept, expected = item.target, None, (task.nonce[item.target][item.place[1]],)
        else:
            source, concept = task.languages[item.place[0]], self.concepts[item.place[2]]
            expected = task.forms[item.target, concept]
        logprobs = [float(together(forms)) if len(forms) else math.nan for forms in (answer.targets, answer.sources)]
        first, second = (value if math.isfinite(value) else None for value in logprobs)
        return LoggedAnswer(
            task="nonce" if concept is None else "words", source=source, target=item.target, concept=concept,
            prompt=item.text, expected=tuple(expected), answer=None if tokens is None else self.said(tokens)[0],
            outcome="not_finite" if tokens is None else OUTCOMES[self.outcome(item, tokens)],
            expected_logprob=first, other_logprob=second,
        )  # fmt: skip

    def answers(self, model: Decoder | LanguageModel, logprobs: bool = True) -> Iterator[Answer]:
        """Yield the answer of ``model`` to every question, in no fixed order; without ``logprobs`` the tokens alone."""
        questions = self.items + self.nonces
        for _, members, answers in self._batches(model, logprobs, ALONE):
            for i, (tokens, targets, sources) in zip(members, answers, strict=True):
                yield Answer(question=questions[i], tokens=tokens, targets=targets, sources=sources)

    @torch.inference_mode()
    def _batches(
        self, model: Decoder | LanguageModel, logprobs: bool, share: Share
    ) -> Iterator[tuple[int, list[int], Iterator[_Said]]]:
        """Yield the number of each batch, its questions' indices, and its answers."""
        reader, questions = language_model(model), self.items + self.nonces
        # a model may have more logits than its tokenizer has tokens
        stops = torch.zeros(reader.vocabulary, dtype=torch.bool)
        stops[: len(self.stops)] = self.stops[: reader.vocabulary]
        stops = stops.to(reader.device)
        for number, members, first, cache in self.prompts.read(reader, share):
            batch = [questions[i] for i in members]
            logprob = forms_logprobs(reader, batch, first, cache) if logprobs else np.empty(0, np.float32)
            yield number, members, _split(batch, greedy(reader, first, cache, self.new_tokens, stops), logprob)


_Said = tuple[list[int] | None, NDArray[np.float32], NDArray[np.float32]]
"""Tokens of an answer, log-probabilities of the target forms and of the source forms."""
_Found = tuple[int, list[int] | None, NDArray[np.float32], NDArray[np.float32]]
"""The same after the question's index."""


def _split(
    batch: Sequence[Question], said: Sequence[list[int] | None], logprob: NDArray[np.float32]
) -> Iterator[_Said]:
    place = 0
    for item, tokens in zip(batch, said, strict=True):
        middle, end = place + len(item.targets), place + len(item.targets) + len(item.sources)
        yield tokens, logprob[place:middle], logprob[middle:end]
        place = end

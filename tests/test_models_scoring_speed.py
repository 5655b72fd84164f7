"""What makes scoring fast leaves every answer as it is: shared prefixes, batches, answers that end early."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from calque.data.tokens.encoding import Encoding
from calque.data.tokens.tokenizers import train
from calque.data.words.words import word_task
from calque.models.config.sizes import size
from calque.models.decoder.decoder import Cache, Decoder
from calque.models.scoring import batches, prompts
from calque.models.scoring.generation import continuation_logprob, greedy
from calque.models.scoring.language_model import DecoderModel
from calque.models.scoring.prefixes import STRIDE, shared_prefixes
from calque.models.scoring.prompts import Prompts
from calque.models.scoring.words import WordScorer


class Counting(DecoderModel):
    """Counts the tokens it reads."""

    tokens = 0

    def read(self, tokens: Tensor, cache: Cache | None = None, last: int | None = None) -> tuple[Tensor, Cache]:
        self.tokens += tokens.numel()
        return super().read(tokens, cache, last)


def whole(decoder: Decoder, prompt: list[int], form: list[int]) -> float:
    """Return log p(form | prompt) from one pass over both, nothing shared, kept or batched."""
    logprob = decoder(torch.tensor([[*prompt, *form]])).log_softmax(-1)[0]
    return float(sum(logprob[len(prompt) + i - 1, token] for i, token in enumerate(form)))


def plain_greedy(decoder: Decoder, prompt: list[int], new_tokens: int, stops: Tensor) -> list[int]:
    said: list[int] = []
    while len(said) < new_tokens and not (said and stops[said[-1]]):
        said.append(int(decoder(torch.tensor([[*prompt, *said]]))[0, -1].argmax()))
    return said


@pytest.fixture(scope="module")
def scorer() -> WordScorer:
    task = word_task(("en", "de", "fi"), shots=2)
    texts = [f"{form} " for forms in task.forms.values() for form in forms]
    return WordScorer(task, Encoding(train(texts, 600)), max_concepts=12)


@torch.inference_mode()
def test_answers_equal_those_of_one_prompt_at_a_time(scorer: WordScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_TOKENS", 900)  # several batches of each length
    decoder = Decoder(size("micro", scorer.encoding.vocabulary), seed=1)
    found = {(a.question.target, a.question.place): a for a in scorer.answers(decoder)}
    questions = scorer.items + scorer.nonces
    assert len(found) == len(questions)
    ended = 0
    for question in questions[::9]:
        answer = found[question.target, question.place]
        expected = [whole(decoder, question.prompt, form) for form in question.targets + question.sources]
        np.testing.assert_allclose([*answer.targets, *answer.sources], expected, rtol=1e-5, atol=1e-4)
        assert answer.tokens == plain_greedy(decoder, question.prompt, scorer.new_tokens, scorer.stops)
        ended += bool(scorer.stops[answer.tokens[-1]])
    assert 0 < ended < len(questions[::9])


@torch.inference_mode()
def test_prefixes_are_read_once(scorer: WordScorer) -> None:
    model = Counting(Decoder(size("tiny", scorer.encoding.vocabulary), seed=0))
    for _ in scorer.prompts.read(model):
        pass
    assert model.tokens == scorer.prompts.tokens_read
    assert model.tokens < 0.5 * sum(len(prompt) for prompt in scorer.prompts.prompts)


@torch.inference_mode()
def test_rows_that_have_ended_are_read_no_further() -> None:
    decoder = Decoder(size("tiny", 40), seed=3)
    model = Counting(decoder)
    texts = torch.randint(0, 40, (64, 7), generator=torch.Generator().manual_seed(0))
    stops = torch.arange(40) % 2 == 0
    logits, cache = model.read(texts, last=1)
    model.tokens = 0
    said = greedy(model, logits[:, -1], cache, 12, stops)
    assert model.tokens < 64 * 6
    assert said == [plain_greedy(decoder, text.tolist(), 12, stops) for text in texts]
    assert all(len(answer) == 12 or stops[answer[-1]] for answer in said)
    assert not any(stops[token] for answer in said for token in answer[:-1])


@torch.inference_mode()
def test_continuations_of_several_lengths_equal_whole_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_TOKENS", 30)
    decoder = Decoder(size("tiny", 40), seed=3)
    texts = torch.randint(0, 40, (4, 7), generator=torch.Generator().manual_seed(0))
    forms = [[1], [2, 3, 4], [5, 6], [7], [8, 9, 10, 11], [12, 13]]
    rows = [0, 0, 1, 2, 3, 3]
    logits, cache = DecoderModel(decoder).read(texts, last=1)
    found = continuation_logprob(DecoderModel(decoder), logits[:, -1], cache, rows, forms)
    expected = [whole(decoder, texts[row].tolist(), form) for row, form in zip(rows, forms, strict=True)]
    torch.testing.assert_close(found, torch.tensor(expected))


words = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=14), min_size=1, max_size=12)


@given(words)
def test_prefixes_leave_a_token_and_never_cost_any(texts: list[list[int]]) -> None:
    lengths = shared_prefixes(texts)
    assert all(0 <= n < len(text) and n % STRIDE == 0 for n, text in zip(lengths, texts, strict=True))
    plan = Prompts(texts)
    assert plan.tokens_read <= sum(map(len, texts))
    for text, n in zip(texts, lengths, strict=True):
        assert not n or plan.prefixes[n][plan.places[tuple(text[:n])]] == tuple(text[:n])


def test_prefixes_are_those_of_each_pair_of_languages() -> None:
    shots = {"a": list(range(20)), "b": list(range(6)) + list(range(30, 40))}
    texts = [[*shots[pair], 50 + i, 60] for pair in "ab" for i in range(10)]
    assert shared_prefixes(texts) == [20] * 10 + [16] * 10
    assert shared_prefixes([[1, 2, 3, 4, 5, 6]]) == [0]
    assert shared_prefixes([[1, 2, 3, 4, 5, 6]] * 3) == [4] * 3
    assert shared_prefixes([]) == []


def test_a_cache_of_several_reads_is_in_the_order_of_its_members() -> None:
    parts = [[(torch.full((n, 1, 2, 1), float(n)), torch.zeros(n, 1, 2, 1))] for n in (2, 3)]
    joined = prompts.join(parts)
    assert joined[0][0][:, 0, 0, 0].tolist() == [2, 2, 3, 3, 3]
    assert prompts.take(joined, [4, 0])[0][0][:, 0, 0, 0].tolist() == [3, 2]

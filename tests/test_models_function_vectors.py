"""Function-vector effect: a planted head in closed form, the effect by hand, and prompts of other words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import calque
from calque.data.cube import read_groups
from calque.data.errors import UserError
from calque.data.mixes.romanised import RomanisedPrompt
from calque.data.tasks import InContextPrompt, Segment, WordTask
from calque.data.words.words import word_task
from calque.models.components.head_settings import HeadSettings
from calque.models.components.heads import STATISTICS
from calque.models.patching.function_vectors import (
    FEWEST,
    GIVEN,
    PROBES,
    function_vector_effects,
    function_vectors,
    in_context_words,
)
from calque.models.reading.families import model_parts
from calque.models.reading.reading import read
from calque.models.reading.replacing import heads_replaced
from calque.models.scoring.words import WordScorer
from tests.huggingface_models import save
from tests.induction_decoder import CONTENT, HEAD_WIDTH, WIDTH, empty, look_back
from tests.reading_models import OURS, reading_model
from tests.test_models_ablations_heads import digest, hooks
from tests.test_models_layers import Letters, letter

CONCEPTS = 15
WORDS = 2 * CONCEPTS
TOKENS = WORDS + 1
MATCHED, VECTOR = 2 * TOKENS, 2 * TOKENS + 1
"""Coordinates of the residual: that a line has its right answer, and that it is translated."""
SHARP, HEAD = 0.7, 2
SETTINGS = HeadSettings(prompts=20, length=5)
LINES = 4  # of two tokens, with a first token and a question within 2 x 5 + 1


class Lines:
    """Lines of a word and its answer, without any sign."""

    def __call__(self, source: str, target: str, word: str, concept: str | None) -> str:
        return word

    def segments(self, source: str, target: str, word: str, concept: str | None) -> tuple[Segment, ...]:
        return ((source, word),)

    def in_context(self, source: str, target: str, lines: Sequence[tuple[str, str]], word: str) -> tuple[Segment, ...]:
        pieces = [piece for said, answer in lines for piece in ((source, said), (target, answer))]
        return *pieces, (source, word)


class Few(Letters):
    """One token a word."""

    size = TOKENS

    def begin(self, code: str) -> int:
        return WORDS


TASK = WordTask(
    languages=("aa", "bb"), concepts=tuple(f"c{k}" for k in range(CONCEPTS)), nonce={}, prompt=Lines(),
    forms={("aa", f"c{k}"): (letter(k),) for k in range(CONCEPTS)}
    | {("bb", f"c{k}"): (letter(CONCEPTS + k),) for k in range(CONCEPTS)}, stop=letter(WORDS),
)  # fmt: skip


def word_scorer() -> WordScorer:
    return WordScorer(TASK, Few())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def scorer() -> WordScorer:
    return word_scorer()


@torch.no_grad()
def planted(name: str) -> Any:
    """Return a decoder with one head that tells, from the lines with right answers, that the last word is translated.

    Block 0 writes the token before beside each, and finds right answers (an MLP unit a pair). In block 1 the head takes
    the mean of that over all positions, and MLP units translate in proportion.
    """
    made = empty(name, 1e300, vocab_size=TOKENS, ffn_width=WORDS)
    made.head.weight[:, :TOKENS] = torch.eye(TOKENS)
    look_back(made, 0, 0, 1000.0, frequencies=1)
    words, other = torch.arange(WORDS), (torch.arange(WORDS) + CONCEPTS) % WORDS
    first, second = made.blocks
    first.attention.value.weight[CONTENT_OF_WORDS, words] = WIDTH**-0.5
    first.attention.output.weight[TOKENS + words, CONTENT_OF_WORDS] = 1
    first.ffn.gate.weight[words, other] = SHARP
    first.ffn.up.weight[words, TOKENS + words] = 1
    first.ffn.down.weight[MATCHED, words] = 1
    group = HEAD // (made.config.heads // made.config.kv_heads)
    second.attention.value.weight[group * HEAD_WIDTH, MATCHED] = 1
    second.attention.output.weight[VECTOR, HEAD * HEAD_WIDTH] = 1
    second.ffn.gate.weight[words, VECTOR] = SHARP
    second.ffn.up.weight[words, words] = 1
    second.ffn.down.weight[other, words] = 1
    return made.eval()


CONTENT_OF_WORDS = torch.tensor([f for f in range(HEAD_WIDTH) if f not in (0, HEAD_WIDTH // 2)])
assert len(CONTENT_OF_WORDS) == WORDS and len(CONTENT) < WORDS


def closed_form(config: Any) -> tuple[float, float]:
    """Return what the head's mean adds to log p and to p of the answer."""
    m, root = config.residual_multiplier, WIDTH**0.5

    def silu(x: float) -> float:
        return x / (1 + np.exp(-x))

    scale = root / (1 + m**2) ** 0.5
    matched = m * silu(SHARP * scale) * scale * m  # at each right answer
    mean = LINES / (2 * LINES + 2) * root * matched / (1 + m**2 + matched**2) ** 0.5

    def logprob(vector: float) -> float:
        added = m * vector
        scale = root / (1 + m**2 + added**2) ** 0.5
        answer = m * silu(SHARP * scale * added) * scale
        final = config.output_multiplier * root / (1 + m**2 + added**2 + answer**2) ** 0.5
        return final * answer - np.logaddexp.reduce([final * answer, final, *[0.0] * (TOKENS - 2)])

    before, after = logprob(0.0), logprob(mean)
    return after - before, np.exp(after) - np.exp(before)


@pytest.mark.parametrize("name", OURS)
def test_a_planted_head_has_its_closed_form_and_is_found_alone(name: str, scorer: WordScorer) -> None:
    made = planted(name)
    parts, before = model_parts(made), digest(made)
    words, lines = in_context_words(scorer, SETTINGS, np.random.default_rng(0))
    assert lines == LINES and len(words) == 20
    effects, controls = function_vector_effects(parts, words)
    for found, expected in zip(effects, closed_form(made.config), strict=True):
        assert expected > 0.001
        np.testing.assert_allclose(found[1, :, HEAD], expected, rtol=1e-9)
        others = found[1][:, [h for h in range(parts.heads) if h != HEAD]]
        assert np.abs(others).max() < 1e-12 and np.abs(found[0, :, 1:]).max() < 1e-12
    assert np.abs(controls[:, 1]).max() < 1e-12 and digest(made) == before and hooks(made) == 0
    tables = function_vectors(parts, scorer, SETTINGS)
    for table, expected in zip(tables.values(), closed_form(made.config), strict=True):
        assert np.argwhere(table["p_adjusted"].values < 0.05).tolist() == [[1, HEAD]]
        np.testing.assert_allclose(table[["score", "low", "high", "deciding"]].sel(layer=1, head=HEAD).to_array(),
                                   expected, rtol=1e-6)  # fmt: skip
        assert abs(float(table["control"][1, HEAD])) < 1e-12
    assert int(tables["function_vector"]["lines"]) == LINES


@torch.no_grad()
def test_an_effect_is_that_of_the_mean_output_at_the_last_position(scorer: WordScorer) -> None:
    parts = model_parts(reading_model("multiplied"))
    words, _ = in_context_words(scorer, SETTINGS, np.random.default_rng(1))
    found = function_vector_effects(parts, words[:5])
    one, tokens = words[3], torch.tensor([words[3].prompt])
    [own] = read(parts, [one.prompt], ["heads"])
    plain = parts.unembedding(parts.run(tokens)).log_softmax(-1)[0, -1, one.answers[0]]
    for effects, prompts in zip(found, (one.right, one.shuffled), strict=True):
        last = [reading.heads[0, 0, 1, -1] for prompt in prompts for reading in read(parts, [prompt], ["heads"])]
        output = own.heads[0, :, 1].clone()
        output[:, -1] = torch.stack(last).mean(0)
        with heads_replaced(parts, {(0, 1): output}):
            patched = parts.unembedding(parts.run(tokens)).log_softmax(-1)[0, -1, one.answers[0]]
        np.testing.assert_allclose(effects[0, 0, 3, 1], float(patched - plain), rtol=1e-8)
        np.testing.assert_allclose(effects[1, 0, 3, 1], float(patched.exp() - plain.exp()), rtol=1e-8)
    assert not np.allclose(*found, rtol=1e-3)


def test_prompts_of_means_show_none_of_the_words_that_are_asked(scorer: WordScorer) -> None:
    words, lines = in_context_words(scorer, SETTINGS, np.random.default_rng(2))
    asked = {one.concept for one in words}
    assert len(asked) == 10
    for one in words:
        source = one.prompt[-1] // CONCEPTS
        assert one.prompt[-1] % CONCEPTS == one.concept and one.answers == ((one.prompt[-1] + CONCEPTS) % WORDS,)
        assert len(one.right) == len(one.shuffled) == GIVEN and len({*one.right}) > 1
        for right, shuffled in zip((*one.right, one.prompt), (*one.shuffled, one.prompt), strict=True):
            assert right[0] == WORDS and len(right) == 2 * lines + 2 and sorted(right) == sorted(shuffled)
            pairs = [list(zip(row[1:-1:2], row[2:-1:2], strict=True)) for row in (right, shuffled)]
            assert all(x // CONCEPTS == source and y // CONCEPTS == 1 - source for x, y in (*pairs[0], *pairs[1]))
            assert not {x % CONCEPTS for x, _ in pairs[0]} & asked and (
                right == one.prompt or right[-1] == shuffled[-1]
            )
            assert all((x - y) % CONCEPTS for x, y in pairs[1])
            assert right == one.prompt or not any((x - y) % CONCEPTS for x, y in pairs[0])
            assert right == one.prompt or right[-1] % CONCEPTS not in asked


def test_words_that_cannot_be_asked_so_are_refused(scorer: WordScorer) -> None:
    plain = WordScorer(replace(TASK, prompt=lambda *given: given[2]), Few())  # type: ignore[arg-type]
    few = WordScorer(TASK, Few(), 5)  # type: ignore[arg-type]
    for of, length, said in (
        (plain, 5, "the word questions have no lines with answers"), (few, 5, "0 concepts can be asked for"),
        (scorer, 2, "up to 6 tokens; expected 5 at most, twice `length` and one: raise `length` to 3"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=said) as raised:
            in_context_words(of, replace(SETTINGS, length=length), np.random.default_rng(0))
        assert len(str(raised.value)) <= 300
    assert in_context_words(scorer, replace(SETTINGS, length=3), np.random.default_rng(0))[1] == FEWEST


class Spelled(Few):
    """Fifteen more tokens a word, as real words and wordings have."""

    def encode(self, pieces: Sequence[Segment]) -> list[int]:
        return [token for word in super().encode(pieces) for token in (word, *[WORDS] * 15)]


def test_prompts_are_as_long_as_two_lines_need_where_no_length_is_given() -> None:
    long, settings = WordScorer(TASK, Spelled()), HeadSettings(prompts=20)  # type: ignore[arg-type]
    words, lines = in_context_words(long, settings, np.random.default_rng(0))
    assert lines == FEWEST and len(words[0].prompt) == 1 + 16 * (2 * FEWEST + 1) > 2 * settings.half + 1
    assert in_context_words(long, settings, np.random.default_rng(0), context=81) == (words, lines)
    for given, context, said in (
        (settings, 80, "take up to 81 tokens; the model takes 80: leave the probe out"),
        (replace(settings, length=24), 256, "expected 49 at most, twice `length` and one: raise `length` to 40"),
    ):
        with pytest.raises(UserError, match=said):
            in_context_words(long, given, np.random.default_rng(0), context)
    assert in_context_words(word_scorer(), settings, np.random.default_rng(0))[1] == FEWEST + 2  # as many as are shown


def test_the_default_fits_real_wordings_and_goes_on_with_what_a_given_length_made(tmp_path: Path) -> None:
    save(tmp_path / "model" / "step1000", "qwen3", 1)
    asked: dict[str, Any] = {
        "output": tmp_path / "c.nc", "languages": "en,de", "prompts": 8, "draws": 9, "pattern": "step{step}",
        "tokens_per_step": 1000,
    }  # fmt: skip
    calque.probe(tmp_path / "model", probes="previous_token", length=24, **asked)
    with pytest.raises(UserError, match="two lines and a question take up to .* raise `length` to"):
        calque.probe(tmp_path / "model", probes="function_vector", length=24, **asked)
    found = calque.probe(tmp_path / "model", probes="function_vector", **asked)
    assert found.components["function_vector_lines"].item() == FEWEST and "previous_token" in found.components


def test_real_words_stand_in_lines_of_their_template() -> None:
    task = word_task(("en", "de"), shots=1)
    assert isinstance(task.prompt, InContextPrompt)
    pieces = task.prompt.in_context("en", "de", [("dog", "Hund"), ("cat", "Katze")], "bee")
    text = 'English: "dog" - Deutsch: "Hund"\nEnglish: "cat" - Deutsch: "Katze"\nEnglish: "bee" - Deutsch: "'
    assert "".join(text for _, text in pieces) == text and ("en", "bee") in pieces
    latin = RomanisedPrompt(prompt=task.prompt)
    assert isinstance(latin, InContextPrompt)
    said = latin.in_context("en", "de", [("flour", "Mühle")], "bee")
    assert "Muhle" in "".join(text for _, text in said)
    shown = task.prompt("en", "de", "bee", "bee")
    assert shown.endswith('English: "bee" - Deutsch: "') and shown.count("\n") == 1


def test_checkpoints_are_probed_by_path(tmp_path: Path) -> None:
    save(tmp_path / "model" / "step1000", "qwen3", 1)
    found = calque.probe(
        tmp_path / "model", output=tmp_path / "c.nc", probes="function_vector", languages="en,de", prompts=8, length=60,
        pattern="step{step}", tokens_per_step=1000,
    )  # fmt: skip
    group = read_groups(tmp_path / "c.nc")["components"]
    for name, probe in PROBES.items():
        assert group[name].attrs["units"] == probe.units and np.isfinite(group[name]).all()
        assert {f"{name}_{end}" for end in STATISTICS} <= set(group)
    assert group["function_vector_lines"].dims == ("run", "checkpoint") and (group["function_vector_lines"] >= 2).all()
    rows = found.to_dict()["heads"]
    assert {row["probe"] for row in rows} == set(PROBES) and "function_vector_probability: " in found.summary()
    again = calque.probe(
        tmp_path / "model", output=tmp_path / "c.nc", probes="function_vector", languages="en,de", prompts=8, length=60,
        pattern="step{step}", tokens_per_step=1000,
    )  # fmt: skip
    assert again.components.identical(group)

"""Scores of heads against closed forms in float64: plain and grouped attention, with and without norms, multipliers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from calque.data.errors import UserError
from calque.models.components.direct_attribution import NEEDS, direct_attribution
from calque.models.components.frozen_norm import pulled_back
from calque.models.components.head_statistics import against_random_heads
from calque.models.components.prefix_matching import prefix_matching, second_half
from calque.models.components.previous_token import previous_token
from calque.models.components.random_phases import patterns_of_random_phases, random_phases
from calque.models.components.repeated_tokens import repeated_tokens
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from calque.models.reading.families import model_parts
from calque.models.reading.reading import Reading, read
from tests.induction_decoder import HALF, HEAD_WIDTH, HEADS, TOKENS, composed, empty, induction, look_back, softmax
from tests.reading_models import ALL, OURS, reading_model, some_prompts

CLOSE = {"rtol": 1e-6, "atol": 1e-6}
SUMS = dict.fromkeys(ALL, CLOSE) | dict.fromkeys(
    [*OURS, *(n for n in ALL if "neox" in n)], {"rtol": 1e-9, "atol": 1e-9}
)
"""The RMSNorm of ``transformers`` rounds to float32 in models of float64 too; what has none of it sums up closer."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def one(made: Any, prompts: list[list[int]], wanted: Any, positions: Any = None) -> Reading:
    [found] = read(model_parts(made), prompts, wanted, positions=positions)
    return found


def repeats(length: int = 5, count: int = 4) -> tuple[list[list[int]], list[list[int]]]:
    return repeated_tokens(range(TOKENS - 1), length, count, np.random.default_rng(0), begin=TOKENS - 1)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("head", range(HEADS))
def test_a_head_of_constant_queries_and_keys_looks_back_by_one(name: str, head: int) -> None:
    """Attention is softmax(beta sum_f cos((i - j - 1) theta_f)): heads, rotation, phase and scale are in place."""
    made, beta, base = empty(name, 20.0), 1.5, 20.0
    look_back(made, 0, head, beta)
    place = np.arange(10)
    theta = (base ** -(torch.arange(0, HEAD_WIDTH, 2) / HEAD_WIDTH)).double().numpy()
    expected = softmax(beta * np.cos((place[:, None] - place - 1)[..., None] * theta[:HALF]).sum(-1))
    patterns = one(made, some_prompts((10, 10), TOKENS), ["patterns"]).patterns
    found = patterns[0, :, head].numpy()
    np.testing.assert_allclose(found, np.stack([expected] * 2), **CLOSE)
    others = [h for h in range(HEADS) if h != head]
    uniform = np.tri(10) / np.arange(1, 11)[:, None]
    np.testing.assert_allclose(patterns[0, :, others], np.broadcast_to(uniform, (2, HEADS - 1, 10, 10)), **CLOSE)
    score = previous_token(patterns)
    assert score.shape == (2, 2, HEADS)
    np.testing.assert_allclose(score[0, :, head], np.diag(expected, -1)[1:].mean(), **CLOSE)
    np.testing.assert_allclose(score[1], np.mean([1 / (i + 1) for i in range(2, 10)]), **CLOSE)
    later = previous_token(patterns, start=2)
    np.testing.assert_allclose(later[0, :, head], np.diag(expected, -1)[3:].mean(), **CLOSE)


@pytest.mark.parametrize("name", OURS)
def test_a_random_head_is_the_head_with_its_phases_moved(name: str) -> None:
    """Its attention is softmax(beta sum_f cos((i - j - 1) theta_f + psi_f)), for the same psi in every prompt."""
    made, beta, base, head = empty(name, 20.0), 1.5, 20.0, 2
    look_back(made, 0, head, beta)
    parts = model_parts(made)
    phases = random_phases(parts, 3, np.random.default_rng(1))
    assert phases.shape == (3, 2, HEADS, HALF)
    reading = one(made, some_prompts((10, 10), TOKENS), ["queries", "keys"])
    place = np.arange(10)
    theta = (base ** -(torch.arange(0, HEAD_WIDTH, 2) / HEAD_WIDTH)).double().numpy()
    for draw, found in zip(phases.numpy(), patterns_of_random_phases(parts, reading, phases), strict=True):
        angles = (place[:, None] - place - 1)[..., None] * theta + draw[0, head]
        expected = softmax(beta * np.cos(angles).sum(-1))
        np.testing.assert_allclose(found[0, :, head], np.stack([expected] * 2), **CLOSE)


@pytest.mark.parametrize("name", ["plain", "grouped", "llama", "gpt_neox"])
def test_a_random_head_is_one_of_turned_weights(name: str) -> None:
    """As if the rows of the query projection had been turned before rotary positions, which turn a part of them."""
    made = reading_model(name)
    parts, width = model_parts(made), model_parts(made).head_width
    phases = random_phases(parts, 1, np.random.default_rng(1))
    reading = one(made, some_prompts((9, 9)), ["queries", "keys"])
    [found] = patterns_of_random_phases(parts, reading, phases)
    pairs = [(f, f + parts.rotated // 2) for f in range(parts.rotated // 2)]
    rest = range(parts.rotated, parts.rotated + (width - parts.rotated) // 2)
    pairs += [(f, f + (width - parts.rotated) // 2) for f in rest]
    assert name != "gpt_neox" or 0 < parts.rotated < width
    with torch.no_grad():
        projection, step = parts.blocks[0].projections[0], 3 * width if name == "gpt_neox" else width
        for values in (projection.weight, getattr(projection, "bias", None)):
            for head in range(parts.heads if values is not None else 0):
                for pair, angle in zip(pairs, phases[0, 0, head], strict=True):
                    a, b = (values[head * step + f].clone() for f in pair)
                    values[head * step + pair[0]] = a * angle.cos() - b * angle.sin()
                    values[head * step + pair[1]] = b * angle.cos() + a * angle.sin()
    changed = one(made, reading.tokens.tolist(), ["patterns"]).patterns
    torch.testing.assert_close(found[0], changed[0], **CLOSE)  # later layers read what changed heads wrote


@pytest.mark.simulation
def test_untrained_heads_are_as_their_random_heads() -> None:
    """Of heads of untrained models, a share of alpha has p below alpha: some heads do prefer the token before."""
    p_values = []
    for seed in range(40):
        made = Decoder(
            DecoderConfig(width=32, layers=2, heads=4, kv_heads=2, ffn_width=32, vocab_size=64), seed=seed
        ).eval()
        parts, generator = model_parts(made), np.random.default_rng(seed)
        prompts = [generator.choice(64, 16, replace=False).tolist() for _ in range(8)]
        reading = one(made, prompts, ["queries", "keys", "patterns"])
        drawn = patterns_of_random_phases(parts, reading, random_phases(parts, 19, generator))
        random = torch.stack([previous_token(patterns) for patterns in drawn])
        found = against_random_heads(previous_token(reading.patterns), random)
        assert not (found.p_adjusted < 0.05).any()
        p_values.append(found.p_value.values.ravel())
    assert 0.05 < (np.concatenate(p_values) <= 0.1).mean() < 0.15
    assert 0.4 < (np.concatenate(p_values) <= 0.5).mean() < 0.6


def test_random_heads_need_a_draw_and_what_is_read() -> None:
    parts = model_parts(reading_model("plain"))
    with pytest.raises(UserError, match="`draws` is 0; expected 1 or more"):
        random_phases(parts, 0, np.random.default_rng(0))
    reading = one(parts.model, [[1, 2, 3]], ["patterns"])
    with pytest.raises(UserError, match="`reading` lacks a part; expected queries and keys"):
        next(patterns_of_random_phases(parts, reading, random_phases(parts, 1, np.random.default_rng(0))))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("head", [1, 3])
def test_an_ideal_induction_circuit_has_its_closed_form(name: str, head: int) -> None:
    """After an ideal first block, e^beta / (e^beta + n - 1) of the n positions that are seen."""
    beta = 3.0
    made = induction(name, head, first=1000.0, beta=beta)
    (prompts, controls), length = repeats(), 5
    places = second_half(length, True)
    assert places == [6, 7, 8, 9]
    patterns = one(made, prompts, ["patterns"], [places] * 4).patterns
    found = prefix_matching(patterns, length, True)
    seen = np.array(places) + 1
    np.testing.assert_allclose(found[1, :, head], (np.exp(beta) / (np.exp(beta) + seen - 1)).mean(), **CLOSE)
    others = [h for h in range(HEADS) if h != head]
    np.testing.assert_allclose(found[1][:, others], (1 / seen).mean(), **CLOSE)
    matched = prefix_matching(one(made, controls, ["patterns"], [places] * 4).patterns, length, True)
    np.testing.assert_allclose(matched[1], (1 / seen).mean(), **CLOSE)


@pytest.mark.parametrize("name", OURS)
def test_a_composed_induction_circuit_has_its_closed_form(name: str) -> None:
    """A first block that looks back by one only more often than not: both attentions, norms and multiplier compose."""
    made = induction(name, 2, first=4.0, beta=3.0)
    prompts, _ = repeats()
    patterns = one(made, prompts, ["patterns"]).patterns
    for row, prompt in enumerate(prompts):
        np.testing.assert_allclose(patterns[1, row, 2], composed(name, prompt, 4.0, 3.0), **CLOSE)


def test_without_a_first_token_positions_move_by_one() -> None:
    assert second_half(5, False) == [5, 6, 7, 8]
    patterns = torch.zeros(1, 4, 10)
    patterns[0, torch.arange(4), torch.arange(1, 5)] = torch.tensor([1.0, 0.5, 0.25, 0.25])
    assert prefix_matching(patterns, 5, False).item() == 0.5


def test_repeated_tokens_are_said_twice_and_controls_are_not() -> None:
    prompts, controls = repeats(length=5, count=20)
    assert len({tuple(prompt) for prompt in prompts}) == 20
    for prompt, control in zip(prompts, controls, strict=True):
        assert prompt[0] == control[0] == TOKENS - 1
        assert prompt[1:6] == prompt[6:] == control[6:] and len(set(prompt[1:6])) == 5
        assert len(set(control)) == 11
    with pytest.raises(UserError, match="`length` is 6 and `vocabulary` has 11 tokens"):
        repeats(length=6)
    with pytest.raises(UserError, match="`length` is 1"):
        repeats(length=1)


@pytest.mark.parametrize("name", ALL)
def test_the_parts_of_an_attribution_sum_to_the_difference_of_the_log_probabilities(name: str) -> None:
    made = reading_model(name)
    prompts, targets, sources = some_prompts((9, 9, 9)), [3, 5, 60], [4, 0, 1]
    reading = one(made, prompts, NEEDS, [[-1, 3]] * 3)
    found = direct_attribution(model_parts(made), reading, targets, sources)
    with torch.no_grad():
        answer = made(torch.tensor(prompts))
    logprob = (answer if name in OURS else answer.logits).log_softmax(-1)[:, [8, 3]]
    rows = torch.arange(3)
    expected = logprob[rows, :, targets] - logprob[rows, :, sources]
    torch.testing.assert_close(found.whole, expected, **SUMS[name])
    torch.testing.assert_close(found.total, expected, **SUMS[name])
    assert found.heads.shape == (2, 3, 4, 2) and (found.heads.abs().amax((1, 3)) > 1e-4).all()


def test_an_attribution_names_the_head_that_writes() -> None:
    """One head of the last block copies the first token to the output; nothing else but the embedding speaks."""
    made = empty("grouped", 1e300)
    attention = made.blocks[1].attention
    columns = torch.arange(TOKENS)
    with torch.no_grad():
        attention.value.weight[HEAD_WIDTH + columns, columns] = 1.0  # heads 2 and 3
        attention.output.weight[columns, 3 * HEAD_WIDTH + columns] = 1.0
    reading = one(made, [[7, 2]], NEEDS, [[-1]])
    found = direct_attribution(model_parts(made), reading, [7], [5])
    norm = float(reading.residual[-1].square().mean().sqrt())
    expected = torch.zeros(2, 1, HEADS, 1, dtype=torch.float64)
    expected[1, 0, 3, 0] = (HEADS * HEAD_WIDTH) ** 0.5 / 2 / norm  # half of attention, on the normed token
    torch.testing.assert_close(found.heads, expected)
    assert found.embedding.item() == found.mlp.abs().max() == found.attention_bias.abs().max() == 0


def test_attribution_refuses_what_does_not_fit() -> None:
    made = reading_model("plain")
    parts = model_parts(made)
    with pytest.raises(UserError, match="`reading` lacks a part"):
        direct_attribution(parts, one(made, [[1, 2]], ["heads"]), [1], [2])
    with pytest.raises(UserError, match="`targets` and `sources` have 1 and 2 tokens; expected one for each of the 1"):
        direct_attribution(parts, one(made, [[1, 2]], NEEDS), [1], [2, 3])


@pytest.mark.parametrize("name", ["plain", "olmo2", "gpt_neox"])
@torch.no_grad()
def test_parts_pass_a_frozen_norm(name: str) -> None:
    norm = model_parts(reading_model(name)).norm
    generator = torch.Generator().manual_seed(2)
    split = torch.randn(3, 5, norm.weight.shape[0], generator=generator, dtype=torch.float64)
    direction = torch.randn(5, norm.weight.shape[0], generator=generator, dtype=torch.float64)
    before, constant = pulled_back(norm, split.sum(0), direction)
    expected = (norm(split.sum(0)) * direction).sum(-1)
    torch.testing.assert_close((split * before).sum((0, -1)) + constant, expected, **SUMS[name])

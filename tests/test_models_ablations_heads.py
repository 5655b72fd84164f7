"""Ablation of heads: against weights set to 0, bit for bit with their own outputs, planted heads, a model unchanged."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from calque.data.errors import UserError
from calque.models.ablations.heads import OUTSIDE, ablate_heads
from calque.models.ablations.repeating import repeating
from calque.models.components.repeated_tokens import repeated_tokens
from calque.models.components.token_sets import TokenSet
from calque.models.reading.families import model_parts
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import read
from calque.models.reading.replacing import heads_replaced
from tests.induction_decoder import CONTENT, HEAD_WIDTH, TOKENS, induction
from tests.reading_models import ALL, reading_model, some_prompts

SET = TokenSet(tokens=tuple(range(40)), begin=60)
PLANTED = TokenSet(tokens=tuple(range(TOKENS - 1)), begin=TOKENS - 1)


def digest(model: Any) -> str:
    parts = [value.numpy().tobytes() for value in model.state_dict().values()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def hooks(model: Any) -> int:
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())


@torch.no_grad()
def without(parts: ModelParts, layer: int, head: int) -> None:
    """Set to 0 what reads a head's output, for good."""
    parts.blocks[layer].output.weight[:, head * parts.head_width : (head + 1) * parts.head_width] = 0


@torch.no_grad()
@pytest.mark.parametrize("name", ALL)
def test_an_output_of_zeros_is_a_weight_of_zeros(name: str) -> None:
    parts = model_parts(reading_model(name))
    tokens, before = torch.tensor(some_prompts((9, 9))), digest(parts.model)
    zeros = torch.zeros(1, 1, parts.head_width)
    with heads_replaced(parts, {(0, 3): zeros, (1, 1): zeros}):
        found = parts.run(tokens)
    assert digest(parts.model) == before and hooks(parts.model) == 0
    assert not torch.allclose(found, parts.run(tokens), rtol=1e-3)
    without(parts, 0, 3)
    without(parts, 1, 1)
    torch.testing.assert_close(found, parts.run(tokens), rtol=1e-9, atol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("name", ["multiplied", "llama", "gpt_neox"])
def test_its_own_output_changes_nothing_bit_for_bit(name: str) -> None:
    parts, prompts = model_parts(reading_model(name)), some_prompts((9, 9))
    [reading] = read(parts, prompts, ["heads"])
    own = {(layer, head): reading.heads[layer, :, head] for layer in range(2) for head in range(parts.heads)}
    expected = parts.run(torch.tensor(prompts))
    with heads_replaced(parts, own):
        assert torch.equal(parts.run(torch.tensor(prompts)), expected)
    other = {head: x.flip(0) for head, x in own.items()}  # of the other prompt
    with heads_replaced(parts, other):
        assert not torch.equal(parts.run(torch.tensor(prompts)), expected)


def test_after_an_exception_the_model_is_as_it_was() -> None:
    parts = model_parts(reading_model("grouped"))
    before = digest(parts.model)
    with pytest.raises(RuntimeError, match="broken"), heads_replaced(parts, {(0, 0): torch.zeros(1, 1, 8)}):
        raise RuntimeError("broken")
    with pytest.raises(UserError, match="layer 0, head 4; the model has 2 layers of 4 heads"):
        with heads_replaced(parts, {(0, 0): torch.zeros(1, 1, 8), (0, 4): torch.zeros(1, 1, 8)}):
            pass
    assert hooks(parts.model) == 0 and digest(parts.model) == before


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
def test_the_change_is_that_of_the_outputs_by_hand(kind: Any) -> None:
    """The same prompts, other prompts' outputs at the same positions, and as many other heads."""
    parts, chosen = model_parts(reading_model("llama")), [(0, 2), (1, 0)]
    found = ablate_heads(parts, SET, chosen, np.random.default_rng(5), kind=kind, prompts=6, length=7, sets=3)
    generator = np.random.default_rng(5)
    prompts, _ = repeated_tokens(SET.tokens, 7, 6, generator, 60)
    shift = int(generator.integers(1, 6))
    others = [(layer, head) for layer in range(2) for head in range(4) if (layer, head) not in chosen]
    drawn = [[others[i] for i in generator.choice(6, 2, replace=False)] for _ in range(3)]
    [reading] = read(parts, prompts, ["heads"])
    tokens = torch.tensor(prompts)
    intact = measured(parts, tokens)
    np.testing.assert_allclose(found.intact, intact.mean(1))

    def change(heads: list[tuple[int, int]]) -> np.ndarray[Any, Any]:
        outputs = {}
        for layer, head in heads:
            own = reading.heads[layer, :, head]
            rows = [(i + shift) % 6 for i in range(6)]
            instead = {"zero": torch.zeros_like(own), "mean": own.mean(0).expand_as(own), "resample": own[rows]}[kind]
            outputs[layer, head] = instead
        with heads_replaced(parts, outputs):
            return measured(parts, tokens) - intact

    expected, random = change(chosen), np.stack([change(one) for one in drawn])
    np.testing.assert_allclose(found.change_by_prompt, expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found.random_change_by_set.T, random.mean(2), rtol=1e-6, atol=1e-12)
    difference = expected - random.mean(0)
    test = stats.ttest_1samp(difference, 0, axis=1, alternative="less")
    np.testing.assert_allclose(found.p_value, test.pvalue, rtol=1e-6)
    low, high = stats.ttest_1samp(difference, 0, axis=1).confidence_interval()
    np.testing.assert_allclose([found.difference_low, found.difference_high], [low, high], rtol=1e-6, atol=1e-12)
    assert found.attrs.get("note") == (OUTSIDE if kind == "zero" else None)
    small = ablate_heads(
        parts, SET, chosen, np.random.default_rng(5), kind=kind, prompts=6, length=7, sets=3, budget=250_000
    )
    np.testing.assert_allclose(small.change_by_prompt, found.change_by_prompt, rtol=1e-9, atol=1e-12)


def measured(parts: ModelParts, tokens: torch.Tensor) -> np.ndarray[Any, Any]:
    """Return log-probability and probability of the second half of 7 tokens, written out from all logits."""
    with torch.no_grad():
        logprob = parts.unembedding(parts.run(tokens)).log_softmax(-1)
    rows = [[float(logprob[i, p, tokens[i, p + 1]]) for p in range(8, 14)] for i in range(len(tokens))]
    return np.stack([np.mean(rows, 1), np.exp(rows).mean(1)])


@pytest.mark.parametrize("kind", ["mean", "resample"])
def test_a_planted_head_carries_the_repeating(kind: Any) -> None:
    """Head 2 of block 1 attends to what followed and writes it to the output; others do nothing."""
    made = induction("grouped", 2, first=1000.0, beta=12.0)
    attention, columns = made.blocks[1].attention, torch.arange(TOKENS)
    with torch.no_grad():
        attention.value.weight[HEAD_WIDTH + CONTENT, columns] = 1.0
        attention.output.weight[columns, 2 * HEAD_WIDTH + CONTENT] = 1.0
        made.norm.weight *= 3
    parts = model_parts(made)
    found = ablate_heads(parts, PLANTED, [(1, 2)], np.random.default_rng(0), kind=kind, prompts=8, length=5, sets=4)
    assert found.intact[1] > 0.9 and (found.change_low < found.change).all()
    assert (found.change_high < -0.5).all() and (found.difference_high < -0.4).all() and (found.p_value < 1e-4).all()
    values = found.random_change_by_set.values
    assert (np.abs(values) < 1e-9).sum() >= 4 and found.random_change_by_set.sizes == {"measure": 2, "set": 4}


def test_repeating_is_of_the_second_half() -> None:
    parts = model_parts(reading_model("plain"))
    prompts, _ = repeated_tokens(range(40), 7, 3, np.random.default_rng(0), 60)
    logprob, probability = repeating(parts, torch.tensor(prompts), 7, True)
    np.testing.assert_allclose(np.stack([logprob, probability]), measured(parts, torch.tensor(prompts)))


def test_what_cannot_be_ablated_is_refused() -> None:
    parts = model_parts(reading_model("llama"))
    for heads, said in (
        ([], "`heads` has 0"), ([(0, 1), (0, 1)], "`heads` has 2"), ([(2, 0)], "different ones"),
        ([(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)], "`heads` has 5 of 8; expected half at most"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=said):
            ablate_heads(parts, SET, heads, np.random.default_rng(0))
    for given, said in (
        ({"kind": "noise"}, "`kind` is 'noise'"), ({"prompts": 1}, "`prompts` is 1"), ({"sets": 0}, "`sets` is 0"),
        ({"length": 30}, "`length` is 30 and `vocabulary` has 40"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=said):
            ablate_heads(parts, SET, [(0, 1)], np.random.default_rng(0), **given)
    parts.model.train()
    with pytest.raises(UserError, match="training mode"):
        ablate_heads(parts, SET, [(0, 1)], np.random.default_rng(0), kind="zero")

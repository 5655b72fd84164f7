"""Interventions on weights: restored exactly, identical where nothing changes, and closed forms of hybrids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from calque.data.errors import UserError
from calque.models.ablations.scaling import scaling_curve
from calque.models.ablations.swaps import scored_with, swap_grid
from calque.models.ablations.weights import components, of_blocks, scaled, taken, weights_replaced
from calque.models.reading.families import model_parts
from tests.reading_models import ALL, drawn, reading_model, some_prompts
from tests.test_models_ablations_heads import digest


def state(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def other(name: str) -> dict[str, torch.Tensor]:
    """Return other weights of the same shape."""
    generator = torch.Generator().manual_seed(9)
    return {n: v + 0.1 * torch.randn(v.shape, generator=generator, dtype=v.dtype)
            for n, v in state(reading_model(name)).items()}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_components_hold_every_parameter_once(name: str) -> None:
    made = reading_model(name)
    held = components(model_parts(made))
    names = [one for of in held.values() for one in of]
    assert sorted(names) == sorted(n for n, _ in made.named_parameters())
    assert {"embedding", "block.0.attention", "block.0.mlp", "block.1.attention", "block.1.mlp", "norm"} <= set(held)
    mlp = {"olmo2": "post_feedforward_layernorm", "gpt_neox": "post_attention_layernorm", "llama": "mlp.down_proj"}
    if name in mlp:
        assert any(mlp[name] in one for one in held["block.0.mlp"])
        assert not any(mlp[name] in one for one in held["block.0.attention"])
    assert name != "olmo2" or any("post_attention_layernorm" in one for one in held["block.0.attention"])
    assert set(of_blocks(model_parts(made), [1])) == {*held["block.1.attention"], *held["block.1.mlp"]}


@torch.no_grad()
@pytest.mark.parametrize("name", ["multiplied", "qwen3", "gpt_neox"])
def test_swap_with_itself_and_scaling_by_one_are_identical_and_by_zero_initial(name: str) -> None:
    """Bit for bit, in tied models too; and the model is as it was."""
    made = reading_model(name)
    parts, before, initial, final = model_parts(made), digest(made), other(name), state(made)
    tokens = torch.tensor(some_prompts((9, 9)))
    whole, names = parts.run(tokens), of_blocks(parts, [0, 1])
    for values in (taken(final, names), scaled(initial, final, list(final), 1.0)):
        with weights_replaced(made, values):
            assert torch.equal(parts.run(tokens), whole)
    with weights_replaced(made, scaled(initial, final, list(final), 0.0)):
        assert all(torch.equal(value, initial[n]) for n, value in made.named_parameters())
        assert not torch.equal(parts.run(tokens), whole)
    with weights_replaced(made, scaled(initial, final, names, 0.5)):
        there = dict(made.named_parameters())
        torch.testing.assert_close(there[names[0]], (initial[names[0]] + final[names[0]]) / 2, rtol=1e-12, atol=1e-12)
    assert digest(made) == before and torch.equal(parts.run(tokens), whole)
    with pytest.raises(RuntimeError, match="broken"), weights_replaced(made, initial):
        raise RuntimeError("broken")
    with pytest.raises(RuntimeError, match="shape|size|broken"), weights_replaced(made, initial):
        scored_with(made, initial, lambda: torch.zeros(2) + torch.zeros(3))
    assert digest(made) == before and torch.equal(parts.run(tokens), whole)


class Product(torch.nn.Module):
    """Two numbers, whose product with each of three items is the score: an interaction in closed form."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = (torch.nn.Parameter(torch.tensor(float(value))) for value in (1, 1))


ITEMS = np.array([1.0, 2.0, 4.0])


def parameters(a: float, b: float) -> dict[str, torch.Tensor]:
    return {"a": torch.tensor(a), "b": torch.tensor(b)}


def test_a_grid_of_hybrids_has_its_closed_form() -> None:
    made, states = Product(), {"early": parameters(2, 3), "late": parameters(5, 7)}

    def score() -> Any:
        return (made.a * made.b).item() * ITEMS

    found = swap_grid(made, states, {"a": ["a"], "both": ["a", "b"]}, score, level=0.9)
    mean = ITEMS.mean()
    np.testing.assert_allclose(found.parent, [6 * mean, 35 * mean])
    at = found.sel(range="a")
    np.testing.assert_allclose(at.hybrid, [[6 * mean, 2 * 7 * mean], [5 * 3 * mean, 35 * mean]])  # (donor, host)
    expected = (14 + 15 - 6 - 35) * ITEMS
    np.testing.assert_allclose(at.interaction, [[0, expected.mean()], [expected.mean(), 0]])
    low, high = stats.ttest_1samp(expected, 0).confidence_interval(0.9)
    np.testing.assert_allclose([at.interaction_low[0, 1], at.interaction_high[0, 1]], [low, high])
    np.testing.assert_allclose(found.sel(range="both").interaction, 0, atol=1e-12)
    assert (made.a.item(), made.b.item()) == (1, 1)

    def total() -> Any:
        return (made.a + made.b).item() * ITEMS

    np.testing.assert_allclose(swap_grid(made, states, {"a": ["a"]}, total).interaction, 0, atol=1e-12)


def test_a_scaling_curve_has_its_closed_form() -> None:
    made = Product()

    def score() -> Any:
        return (made.a * made.b).item() * ITEMS

    found = scaling_curve(made, parameters(2, 3), parameters(5, 7), {"a": ["a"], "b": ["b"]}, [0, 0.5, 1, 1.5], score)
    expected = ITEMS.mean() * np.array([[2, 3.5, 5, 6.5], [3, 5, 7, 9]]) * np.array([[7], [5]])
    np.testing.assert_allclose(found.score, expected)
    np.testing.assert_allclose(found.change, expected - 35 * ITEMS.mean(), atol=1e-12)
    low, high = stats.ttest_1samp((14 - 35) * ITEMS, 0).confidence_interval()
    np.testing.assert_allclose([found.change_low[0, 0], found.change_high[0, 0]], [low, high])
    assert (found.sel(factor=1).change == 0).all() and (made.a.item(), made.b.item()) == (1, 1)


def test_a_block_s_swap_is_the_model_with_these_weights() -> None:
    """Against a model that is made of both by hand, in float64."""
    made = reading_model("llama")
    parts, donor, prompts = model_parts(made), other("llama"), torch.tensor(some_prompts((9, 9)))
    names = of_blocks(parts, [1])
    by_hand = drawn(reading_model("llama"))
    by_hand.load_state_dict(made.state_dict() | {name: donor[name] for name in names})

    def score() -> Any:
        with torch.no_grad():
            return parts.run(prompts).sum((1, 2))

    with torch.no_grad():
        expected = model_parts(by_hand).run(prompts).sum((1, 2))
    np.testing.assert_allclose(scored_with(made, taken(donor, names), score), expected)


def test_what_does_not_fit_is_refused() -> None:
    made, two = Product(), {"x": parameters(1, 2), "y": parameters(3, 4)}
    for call, said in (
        (lambda: scored_with(made, {"c": torch.ones(())}, lambda: [1.0]), "`values` has 'c', no parameter"),
        (lambda: scored_with(made, {"a": torch.ones(2)}, lambda: [1.0]), r"'a' of shape \(2,\); expected \(\)"),
        (lambda: taken(two["x"], ["c"]), "`state` has no 'c'"),
        (lambda: swap_grid(made, {"x": two["x"]}, {"a": ["a"]}, lambda: [1.0, 2.0]), "`states` has 1 and `ranges` 1"),
        (lambda: swap_grid(made, two, {"a": ["a"]}, lambda: [1.0]), "one for each of two items or more"),
        (lambda: scaling_curve(made, two["x"], two["y"], {}, [1], lambda: [1.0, 2.0]), "`components` has 0"),
        (lambda: of_blocks(model_parts(reading_model("plain")), [2]), r"`blocks` is \[2\]; expected some of 0 to 1"),
    ):
        with pytest.raises(UserError, match=said):
            call()
    assert (made.a.item(), made.b.item()) == (1, 1)

"""The reading layer: one contract for every family, held against what ``transformers`` says of the same model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from calque.data.errors import UserError
from calque.models.reading.families import FAMILIES, model_parts
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import QUANTITIES, Reading, bytes_a_prompt, read
from tests.reading_models import ALL, OURS, THEIRS, in_transformers, reading_model, some_prompts, witnessed

pytestmark = pytest.mark.contract
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
WITNESS = {"rtol": 1e-5, "atol": 1e-5}
"""The witness has its softmax in float32; its rotary tables differ from those of our decoder by such a rounding."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def whole(made: Any, prompts: list[list[int]]) -> Reading:
    [found] = read(model_parts(made), prompts, QUANTITIES)
    return found


def normed(parts: ModelParts, layer: int, residual: Tensor) -> Tensor:
    norm = parts.blocks[layer].attention_norm
    return residual if norm is None else norm(residual)


def test_every_family_is_under_the_contract() -> None:
    assert {family for family, _ in THEIRS.values()} == set(FAMILIES)


@pytest.mark.parametrize("name", ALL)
@torch.no_grad()
def test_what_is_read_is_what_transformers_says(name: str) -> None:
    made = reading_model(name)
    prompts = some_prompts((9, 9))
    found, said = whole(made, prompts), witnessed(in_transformers(made, name), torch.tensor(prompts))
    torch.testing.assert_close(found.residual[:-1], torch.stack(said.hidden_states[:-1]), **WITNESS)
    torch.testing.assert_close(found.final, said.hidden_states[-1], **WITNESS)
    torch.testing.assert_close(found.patterns, torch.stack(said.attentions), **WITNESS)
    torch.testing.assert_close(model_parts(made).unembedding(found.final), said.logits, **WITNESS)


@pytest.mark.parametrize("name", ALL)
@torch.no_grad()
def test_the_parts_add_up_to_the_residual_and_the_residual_to_the_logits(name: str) -> None:
    made = reading_model(name)
    parts, found = model_parts(made), whole(made, some_prompts((9, 9)))
    torch.testing.assert_close(found.residual[1:], found.residual[:-1] + found.attention + found.mlp, **CLOSE)
    torch.testing.assert_close(found.residual[0], parts.embedding(found.tokens), **CLOSE)
    torch.testing.assert_close(found.final, parts.norm(found.residual[-1]) * parts.output_multiplier, **CLOSE)
    answer = made(found.tokens)
    torch.testing.assert_close(parts.unembedding(found.final), answer if name in OURS else answer.logits, **CLOSE)


@pytest.mark.parametrize("name", ALL)
@torch.no_grad()
def test_heads_are_their_patterns_of_their_values(name: str) -> None:
    """Order of heads under grouped attention, biases, and what a norm after attention does."""
    made = reading_model(name)
    parts, found = model_parts(made), whole(made, some_prompts((9, 9)))
    for layer, block in enumerate(parts.blocks):
        weight, bias = parts.value_weights(layer)
        values = torch.einsum("blw,hdw->bhld", normed(parts, layer, found.residual[layer]), weight)
        values = values if bias is None else values + bias[:, None]
        torch.testing.assert_close(found.heads[layer], found.patterns[layer] @ values, **CLOSE)
        output, shift = parts.output_weights(layer)
        written = torch.einsum("bhld,hdw->blw", found.heads[layer], output)
        written = written if shift is None else written + shift
        written = written if block.end_norm is None else block.end_norm(written)
        torch.testing.assert_close(found.attention[layer], written * parts.residual_multiplier, **CLOSE)


@pytest.mark.parametrize("name", ALL)
def test_patterns_are_those_of_queries_and_keys(name: str) -> None:
    """Written out: products over a group's heads, softmax over what is seen."""
    parts = model_parts(reading_model(name))
    found = whole(parts.model, some_prompts((9, 9)))
    keys = found.keys.repeat_interleave(parts.heads // parts.kv_heads, 2)
    ahead = torch.arange(9)[:, None] - torch.arange(9)
    for layer, block in enumerate(parts.blocks):
        scores = found.queries[layer] @ keys[layer].mT * parts.scale
        hidden = (ahead < 0) if block.window is None else (ahead < 0) | (ahead >= block.window)
        expected = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        torch.testing.assert_close(found.patterns[layer], expected, **CLOSE)


@pytest.mark.parametrize("name", ["multiplied", "olmo2", "gpt_neox", "mistral-window"])
def test_batches_and_positions_change_nothing(name: str) -> None:
    """A small budget, prompts of several lengths, positions counted from the end: the same numbers."""
    made, prompts = reading_model(name), some_prompts()
    parts = model_parts(made)
    places = [[-1, 2] if i % 2 else [0, -2] for i in range(len(prompts))]
    need = bytes_a_prompt(parts, 9, 2, QUANTITIES)
    seen = []
    for found in read(parts, prompts, QUANTITIES, positions=places, budget=2 * need):
        assert len(found.prompts) <= 2 or found.tokens.shape[1] < 9
        for row, index in enumerate(found.prompts):
            seen.append(index)
            alone = whole(made, [prompts[index]])
            at = [place % len(prompts[index]) for place in places[index]]
            assert found.positions[row].tolist() == at and found.tokens[row].tolist() == prompts[index]
            torch.testing.assert_close(found.final[row], alone.final[0, at], **CLOSE)
            for quantity in ("residual", "attention", "mlp"):
                torch.testing.assert_close(
                    getattr(found, quantity)[:, row], getattr(alone, quantity)[:, 0, at], **CLOSE
                )
            for quantity in ("heads", "queries", "patterns"):
                both = getattr(found, quantity)[:, row], getattr(alone, quantity)[:, 0][:, :, at]
                torch.testing.assert_close(*both, **CLOSE)
            torch.testing.assert_close(found.keys[:, row], alone.keys[:, 0], **CLOSE)
    assert sorted(seen) == list(range(len(prompts)))


@pytest.mark.parametrize("name", ["plain", "multiplied", "llama", "olmo2", "gpt_neox"])
def test_a_batch_takes_no_more_than_its_budget(name: str) -> None:
    """Bytes allocated at once, as the profiler counts them."""
    parts = model_parts(reading_model(name, torch.float32))
    prompts = some_prompts((96,) * 4)
    for wanted in (QUANTITIES, ("residual",), ("patterns",), ("queries", "keys")):
        need = bytes_a_prompt(parts, 96, 96, wanted)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as seen:
            list(read(parts, prompts, wanted, budget=4 * need))
        steps = [event.nbytes() for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
        peak = torch.tensor(steps).cumsum(0).max()
        assert 0.2 * 4 * need < peak <= 4 * need, wanted


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_left_behind(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither hooks nor other weights, also where the pass breaks off; what was not asked for is None."""
    made = reading_model(name)
    before = {key: value.clone() for key, value in made.state_dict().items()}
    parts = model_parts(made)
    [found] = read(parts, some_prompts((5,)), ["heads"])
    assert [getattr(found, quantity) is None for quantity in QUANTITIES] == [q != "heads" for q in QUANTITIES]
    assert not found.heads.requires_grad

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(parts.blocks[1].mlp_end, "forward", broken)
    with pytest.raises(RuntimeError, match="broken"):
        list(read(parts, some_prompts((5,)), QUANTITIES))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in made.modules())
    assert all(torch.equal(value, before[key]) for key, value in made.state_dict().items())


def test_what_is_read_is_not_the_model_s_own_memory() -> None:
    """Changing it changes no later reading, and not the model."""
    made, prompts = reading_model("plain"), some_prompts((5,))
    first = whole(made, prompts)
    expected = first.residual.clone()
    for quantity in QUANTITIES:
        getattr(first, quantity).zero_()
    torch.testing.assert_close(whole(made, prompts).residual, expected, rtol=0, atol=0)


def test_weights_are_those_used_in_the_type_of_computation() -> None:
    made = reading_model("grouped", torch.float32)
    made.compute_in(torch.bfloat16)
    parts = model_parts(made)
    exact = made.blocks[0].attention.output.weight
    assert not torch.equal(exact, exact.bfloat16().float())
    torch.testing.assert_close(parts.output_weights(0)[0].flatten(0, 1), exact.bfloat16().float().T, rtol=0, atol=0)
    expected = made.blocks[0].attention.value.weight.bfloat16().float()
    torch.testing.assert_close(parts.value_weights(0)[0][::2].flatten(0, 1), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"wanted": "heads"}, "`wanted` is 'heads'; expected some of residual, heads"),
        ({"wanted": ["logits"]}, "expected some of residual, heads"),
        ({"wanted": []}, "expected some of residual, heads"),
        ({"prompts": [[1, 61]]}, "token 61 at 0; expected 0 to 60"),
        ({"prompts": [[1], [2, -1]]}, "token -1 at 1"),
        ({"prompts": [[]]}, "no tokens at 0"),
        ({"positions": [[0]]}, "1 row for 2 prompts"),
        ({"positions": [[0], [0, 1]]}, "all of one length"),
        ({"positions": [[0], [3]]}, r"\[3\] for prompt 1 of 3 tokens; expected -3 to 2"),
        ({"positions": [[0], [-4]]}, r"\[-4\] for prompt 1"),
        ({"budget": 1000}, "a prompt of 3 tokens read at 3 positions takes .* `budget` is 1e"),
    ],
)
def test_what_cannot_be_read_is_refused(changes: dict[str, Any], said: str) -> None:
    arguments = {"prompts": [[1, 2, 3], [4, 5, 6]], "wanted": ["heads"]} | changes
    with pytest.raises(UserError, match=said):
        list(read(model_parts(reading_model("plain")), **arguments))


def test_models_that_cannot_be_read_are_refused() -> None:
    from tests.huggingface_models import model

    with pytest.raises(UserError, match="its architecture is 'gpt2'; expected one of Calque's decoders"):
        model_parts(model("gpt2"))
    with pytest.raises(UserError, match="it is of type Linear"):
        model_parts(torch.nn.Linear(2, 2))
    with pytest.raises(UserError, match="no output projection"):
        model_parts(model("llama").model)
    training = reading_model("llama").train()
    with pytest.raises(UserError, match="training mode"):
        list(read(model_parts(training), [[1, 2]], ["heads"]))
    made = reading_model("plain").train()
    assert whole(made, [[1, 2]]).heads is not None  # ours has no dropout

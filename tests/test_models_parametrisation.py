"""CompleteP: the table, the base that changes nothing, and the check of coordinates over widths and depths."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from calque.data.errors import UserError
from calque.models.config.parametrisation import ADAMW, with_base
from calque.models.config.sizes import DecoderConfig, cpu, ladder, size
from calque.models.config.training import TrainingConfig
from calque.models.decoder.decoder import Decoder
from calque.models.training.optimizer import configure
from tests.benchmarks import coordinate_check as coordinates

CONFIG = TrainingConfig(tokens=1_000_000, learning_rate=1e-3, weight_decay=0.1, epsilon=1e-8)


def rows(decoder: Decoder, config: TrainingConfig) -> dict[str, tuple[float, float, float]]:
    """Return (learning rate, weight decay, epsilon) of every parameter by its name."""
    names = {p: name for name, p in decoder.named_parameters()}
    return {
        names[p]: (group["lr"], group["weight_decay"], group["eps"])
        for group in configure(decoder, config).param_groups
        for p in group["params"]
    }


def test_every_parameter_follows_its_row_of_the_table() -> None:
    with torch.device("meta"):
        decoder = Decoder(ladder(1024, 64))  # four times the base in width and in depth
    found = rows(decoder, CONFIG)
    assert set(found) == {name for name, _ in decoder.named_parameters()}
    for name, values in found.items():
        if name in ("embedding.weight", "head.weight"):
            expected = (1e-3, 0.1, 1e-8 / 4)
        elif name == "norm.weight":
            expected = (1e-3, 0.0, 1e-8 / 4)
        elif name.endswith("norm.weight"):
            expected = (1e-3, 0.0, 1e-8 / 16)
        else:
            expected = (1e-3 / 4, 0.1 * 4, 1e-8 / 16)
        assert values == pytest.approx(expected), name
    assert (decoder.config.residual_multiplier, decoder.config.output_multiplier) == (1 / 4, 1 / 4)


def test_the_documentation_shows_the_rules_that_are_followed() -> None:
    text = (Path(__file__).parent.parent / "docs" / "MODELS.md").read_text(encoding="utf-8")
    powers = {(0, 0): "{}", (-1, 0): "{} / m_N", (1, 0): "{} * m_N", (-1, -1): "{} / (m_N m_L)"}
    for group, rule in ADAMW.items():
        deviation = "(ones)" if "gain" in group else "fan_in^-1/2" if group == "hidden" else "base_width^-1/2"
        decay = powers[rule.weight_decay].format("lambda") if rule.decayed else "0"
        rate, epsilon = powers[rule.learning_rate].format("eta"), powers[rule.epsilon].format("epsilon")
        assert f"| {group} | {deviation} | {rate} | {decay} | {epsilon} |\n" in text


def test_initial_weights_have_the_deviations_of_the_table() -> None:
    shape = DecoderConfig(
        width=256, layers=4, heads=4, kv_heads=2, ffn_width=512, vocab_size=600, base_width=64, base_layers=2
    )
    for name, weight in Decoder(shape, seed=0).named_parameters():
        if weight.dim() < 2:
            assert (weight == 1).all()
            continue
        expected = 64**-0.5 if name.startswith(("embedding", "head")) else weight.shape[1] ** -0.5
        if name.endswith(("attention.output.weight", "ffn.down.weight")):
            expected /= 2
        assert float(weight.detach().std()) == pytest.approx(expected, rel=0.02), name


def plain_steps(shape: DecoderConfig, steps: int) -> Decoder:
    """Train as is done without any parametrisation: one learning rate, decay on matrices, GPT-2's initial weights."""
    decoder, generator = Decoder(shape), torch.Generator().manual_seed(3)
    for name, p in decoder.named_parameters():
        if p.dim() > 1:
            std = p.shape[1] ** -0.5
            if name.endswith(("attention.output.weight", "ffn.down.weight")):
                std /= math.sqrt(2 * shape.layers)
            torch.nn.init.normal_(p, std=std, generator=generator)
    weights = [p for p in decoder.parameters() if p.dim() > 1]
    gains = [p for p in decoder.parameters() if p.dim() < 2]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": gains, "weight_decay": 0.0}]
    descend(decoder, torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), fused=True), steps)
    return decoder


def descend(decoder: Decoder, optimizer: torch.optim.Optimizer, steps: int) -> None:
    tokens, following = coordinates.batch()
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(decoder(tokens).flatten(0, 1), following.flatten()).backward()
        optimizer.step()


@pytest.mark.parametrize("shape", [cpu(64, 3, 128), replace(ladder(256, 128), ffn_width=64)], ids=["cpu", "ladder"])
def test_at_the_base_training_is_the_plain_one_bit_for_bit(shape: DecoderConfig) -> None:
    decoder = Decoder(shape, seed=3)
    descend(decoder, configure(decoder, CONFIG), 3)
    for (name, ours), theirs in zip(decoder.named_parameters(), plain_steps(shape, 3).parameters(), strict=True):
        assert torch.equal(ours, theirs), name


def test_standard_takes_the_values_as_they_stand_at_any_size() -> None:
    config = replace(CONFIG, parametrisation="standard")
    decoder = Decoder(with_base(cpu(128, 6, 128), config), seed=3)
    assert {values[0] for values in rows(decoder, config).values()} == {1e-3}
    descend(decoder, configure(decoder, config), 2)
    for ours, theirs in zip(decoder.parameters(), plain_steps(decoder.config, 2).parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_base_can_be_named_and_a_decoder_of_another_is_refused() -> None:
    config = replace(CONFIG, base_width=32, base_layers=1)
    shape = with_base(size("micro", 128), config)
    assert (shape.width_ratio, shape.depth_ratio) == (2, 3)
    configure(Decoder(shape, 0), config)
    with pytest.raises(UserError, match=r"2 and 3 of the base's, but the decoder has 1 and 1; build it with"):
        configure(Decoder(size("micro", 128), 0), config)
    with pytest.raises(UserError, match="parametrisation is 'standard'"):
        configure(Decoder(cpu(128, 3, 128), 0), replace(CONFIG, parametrisation="standard"))


def test_a_compiled_decoder_keeps_its_multipliers() -> None:
    decoder = Decoder(cpu(32, 6, 128), seed=0)
    tokens, _ = coordinates.batch()
    torch.testing.assert_close(torch.compile(decoder, backend="eager")(tokens), decoder(tokens))


# In the limit sizes go with multiples of 1/2 of the exponent; an exponent is read as the nearest of them.
FLAT = (-0.25, 0.25)
RANDOM_OR_FLAT = (-0.75, 0.25)  # what is random at the start falls with the exponent -1/2, what is learned stays


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize(("varied", "falling"), [("width", "logits"), ("depth", "residual")])
def test_coordinates_keep_their_size_over_width_and_depth(
    varied: str, falling: str, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Muon's iteration rounds to bfloat16, which takes minutes where processors have no instructions for it
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.float)
    x = coordinates.WIDTHS if varied == "width" else coordinates.DEPTHS
    found = coordinates.slopes(x, coordinates.check(shapes(varied), "completep", seeds=1, optimizer=optimizer))
    for name, exponent in found.items():
        low, high = RANDOM_OR_FLAT if name.endswith(falling) else FLAT
        assert low < exponent < high, f"{name} goes with {varied}^{exponent:.2f}"


@pytest.mark.parametrize(
    ("varied", "growing"),
    [
        ("width", ("update of attention", "update of ffn", "update of residual", "update of answer")),
        ("depth", ("update of residual", "activation of residual")),
    ],
)
def test_under_the_standard_parametrisation_they_grow(varied: str, growing: tuple[str, ...]) -> None:
    x = coordinates.WIDTHS if varied == "width" else coordinates.DEPTHS
    found = coordinates.slopes(x, coordinates.check(shapes(varied), "standard", seeds=1))
    assert all(found[name] > FLAT[1] for name in growing), found


def shapes(varied: str) -> list[tuple[int, int]]:
    width, layers = coordinates.BASE
    return [(w, layers) for w in coordinates.WIDTHS] if varied == "width" else [(width, d) for d in coordinates.DEPTHS]

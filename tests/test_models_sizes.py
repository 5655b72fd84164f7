"""Sizes: the ladder's numbers, counts that are those of the module, costs that are counted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from calque.data.errors import UserError
from calque.models.config.size_table import markdown
from calque.models.config.sizes import LADDER, SIZES, DecoderConfig, cpu, ladder, size
from calque.models.decoder.decoder import Decoder

VOCABULARY = 131_072
NON_EMBEDDING = {
    "69m": 2_213_632, "152m": 17_701_376, "261m": 59_734_272, "410m": 141_583_360, "612m": 276_519_680,
    "880m": 477_814_272, "1.7b": 1_132_562_432,
}  # fmt: skip


def test_the_full_size_has_exactly_the_original_parameters() -> None:
    assert size("1.7b", VOCABULARY).n_params == 1_669_433_344
    with torch.device("meta"):
        decoder = Decoder(size("1.7b", VOCABULARY))
    assert sum(p.numel() for p in decoder.parameters()) == 1_669_433_344


def test_the_ladder_has_one_shape_and_the_stated_parameters() -> None:
    assert list(LADDER.values()) == [256, 512, 768, 1024, 1280, 1536, 2048]
    for name, width in LADDER.items():
        shape = size(name, VOCABULARY)
        assert shape.n_params_non_embedding == NON_EMBEDDING[name]
        assert shape.layers == round(width / 85.33)
        assert (shape.head_width, shape.heads, shape.ffn_width) == (128, 2 * shape.kv_heads, 2.75 * width)
        assert not shape.tied
        millions = shape.n_params / 1e6
        assert name == (f"{millions:.0f}m" if millions < 1000 else f"{millions / 1e3:.1f}b")


@pytest.mark.contract
@pytest.mark.parametrize("name", SIZES)
def test_counts_are_those_of_the_module(name: str) -> None:
    config = size(name, 300)
    with torch.device("meta"):
        decoder = Decoder(config)
    assert sum(p.numel() for p in decoder.parameters()) == config.n_params
    embeddings = (1 if config.tied else 2) * 300 * config.width
    assert config.n_params - config.n_params_non_embedding == embeddings


@pytest.mark.contract
@pytest.mark.parametrize("name", SIZES)
def test_each_family_has_one_base_and_keeps_its_heads(name: str) -> None:
    config = size(name, 300)
    if name == "tiny":  # no member of a family
        assert (config.width_ratio, config.depth_ratio) == (1, 1)
        return
    base = ladder(256, 300) if name in LADDER else cpu(64, 3, 300)
    assert (base.width_ratio, base.depth_ratio) == (1, 1)
    assert (config.base_width, config.base_layers) == (base.width, base.layers)
    assert config.head_width == base.head_width
    assert config.kv_heads * base.heads == base.kv_heads * config.heads


def test_flops_count_weights_head_and_attention() -> None:
    config = size("1.7b", VOCABULARY)
    expected = 6 * (config.n_params - VOCABULARY * 2048) + 6 * 24 * 2048 * 4096
    assert config.flops_per_token(4096) == expected


def test_unknown_and_impossible_sizes_are_said() -> None:
    with pytest.raises(UserError, match="did you mean 'micro'"):
        size("mikro", 50)
    with pytest.raises(UserError, match="heads"):
        DecoderConfig(width=30, layers=1, heads=4, kv_heads=2, ffn_width=16, vocab_size=10)
    with pytest.raises(UserError, match="key-value"):
        DecoderConfig(width=32, layers=1, heads=4, kv_heads=3, ffn_width=16, vocab_size=10)
    with pytest.raises(UserError, match="`base_width` is 0"):
        DecoderConfig(width=32, layers=1, heads=4, kv_heads=2, ffn_width=16, vocab_size=10, base_width=0)


def test_the_documentation_shows_this_ladder() -> None:
    assert markdown() in (Path(__file__).parent.parent / "docs" / "MODELS.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("300m", "the nearest is '261m'"),
        ("1.7B", "the nearest is '1.7b'"),
        ("7b", "the nearest is '1.7b'"),
        ("0.7b", "the nearest is '612m'"),
        ("mikro", "did you mean 'micro'"),
    ],
)
def test_an_unknown_size_is_answered_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(UserError, match=f"unknown size '{name}'.*{said}"):
        size(name, VOCABULARY)

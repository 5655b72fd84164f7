"""The decoder: sizes that count, caches that agree with the whole, known numbers of a seeded run."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from calque.models.config.sizes import DecoderConfig, cpu, size
from calque.models.decoder.decoder import Decoder


def test_grouped_queries_and_untied_heads_count_too() -> None:
    config = DecoderConfig(width=32, layers=2, heads=4, kv_heads=2, ffn_width=48, vocab_size=50)
    decoder = Decoder(config, 0)
    assert sum(p.numel() for p in decoder.parameters()) == config.n_params
    assert decoder(torch.zeros(2, 5, dtype=torch.long)).shape == (2, 5, 50)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_reading_in_parts_gives_the_logits_of_the_whole(kv_heads: int) -> None:
    config = DecoderConfig(width=32, layers=2, heads=4, kv_heads=kv_heads, ffn_width=48, vocab_size=50)
    decoder = Decoder(config, 1).double()
    tokens = torch.randint(0, 50, (3, 17), generator=torch.Generator().manual_seed(0))
    whole = decoder(tokens)
    hidden, cache = decoder.hidden(tokens[:, :9])
    parts = [decoder.head(hidden)]
    for cut in (tokens[:, 9:10], tokens[:, 10:]):
        hidden, cache = decoder.hidden(cut, cache)
        parts.append(decoder.head(hidden))
    torch.testing.assert_close(torch.cat(parts, 1), whole)


def test_no_token_sees_what_follows() -> None:
    decoder = Decoder(size("tiny", 50), 0)
    tokens = torch.randint(0, 50, (1, 12), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[0, 8] = (changed[0, 8] + 1) % 50
    before, after = decoder(tokens), decoder(changed)
    torch.testing.assert_close(before[:, :8], after[:, :8])
    assert not torch.allclose(before[:, 8], after[:, 8])


def test_what_the_cache_holds_takes_its_share_of_attention() -> None:
    decoder = Decoder(size("tiny", 50), 0)
    tokens = torch.randint(0, 50, (1, 6), generator=torch.Generator().manual_seed(0))
    zero = [(torch.zeros(1, 2, 5, 8), torch.zeros(1, 2, 5, 8))]  # five positions whose values are nothing
    shifted, _ = decoder.hidden(tokens, zero)
    plain, _ = decoder.hidden(tokens)
    assert shifted.shape == plain.shape
    assert not torch.allclose(shifted, plain)


def test_the_seed_alone_decides_the_initial_weights() -> None:
    torch.manual_seed(1)
    a = Decoder(size("tiny", 50), seed=7)
    torch.manual_seed(2)
    b, c = Decoder(size("tiny", 50), seed=7), Decoder(size("tiny", 50), seed=8)
    assert torch.equal(a.embedding.weight, b.embedding.weight)
    assert not torch.equal(a.embedding.weight, c.embedding.weight)


def test_weights_are_drawn_once_or_not_at_all() -> None:
    """Torch draws the weights of its own layers when they are made, which took as long again."""
    before = torch.get_rng_state()
    made, seeded = Decoder(size("tiny", 50), drawn=False), Decoder(size("tiny", 50), seed=7)
    assert torch.equal(torch.get_rng_state(), before)
    made.initialise(7)
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), seeded.parameters(), strict=True))
    Decoder(size("tiny", 50))
    assert not torch.equal(torch.get_rng_state(), before)


def test_folded_weights_give_the_same_logits_without_multipliers() -> None:
    config = cpu(96, 4, 50)
    assert (config.residual_multiplier, config.output_multiplier) == (3 / 4, 64 / 96)
    decoder = Decoder(config, 0).double()
    plain = Decoder(replace(config, base_width=None, base_layers=None), 1).double()
    plain.load_state_dict(decoder.folded_weights())
    tokens = torch.randint(0, 50, (2, 9), generator=torch.Generator().manual_seed(0))
    assert (plain.config.residual_multiplier, plain.config.output_multiplier) == (1, 1)
    torch.testing.assert_close(plain(tokens), decoder(tokens))
    plain.load_state_dict(decoder.state_dict())
    assert not torch.allclose(plain(tokens), decoder(tokens))

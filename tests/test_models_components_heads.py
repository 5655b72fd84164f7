"""All scores of heads at once: planted heads are found, half of the prompts decides, one pass serves all probes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from scipy import stats

from calque.data.errors import UserError
from calque.data.tasks import WordTask
from calque.data.tokens.encoding import Encoding
from calque.models.components.head_settings import HeadSettings
from calque.models.components.heads import PROBES, STATISTICS, probe_heads
from calque.models.components.token_sets import TokenSet, tokens_of_model, tokens_of_words
from calque.models.config.probes import HEADS as OF_HEADS
from calque.models.config.probes import checked_probes
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from calque.models.reading.families import model_parts
from tests.induction_decoder import HEADS, TOKENS, empty, induction, look_back

SMALL = HeadSettings(prompts=8, length=5, draws=79, tokens=40)
SETS = (TokenSet(tokens=tuple(range(TOKENS - 1)), begin=TOKENS - 1),)


@pytest.fixture(scope="module")
def planted() -> xr.Dataset:
    """Head 1 of block 0 looks back, and head 1 of block 1 finds what followed."""
    made = induction("grouped", 1, first=8.0, beta=6.0)
    return probe_heads(model_parts(made), SETS, settings=SMALL)


def drawn(init: int, **changes: Any) -> xr.Dataset:
    """Return the scores of an untrained model."""
    shape = {"width": 32, "layers": 2, "heads": 4, "kv_heads": 2, "ffn_width": 32, "vocab_size": 80}
    parts = model_parts(Decoder(DecoderConfig(**shape), seed=init).eval())
    settings = HeadSettings(**{"prompts": 12, "length": 8, "draws": 39, "tokens": 64, "seed": init, **changes})
    return probe_heads(parts, tokens_of_model(parts, None, None), settings=settings)


@pytest.fixture(scope="module")
def untrained() -> xr.Dataset:
    return drawn(3)


def test_planted_heads_are_found_and_no_others(planted: xr.Dataset) -> None:
    found = {name: np.argwhere(planted[f"{name}_p_adjusted"].values < 0.05).tolist() for name in PROBES}
    assert found == {"previous_token": [[0, 1]], "prefix_matching": [[1, 1]], "ov_copying": []}
    at = planted.sel(layer=1, head=1)
    assert at.prefix_matching_low <= at.prefix_matching <= at.prefix_matching_high and at.prefix_matching > 0.98
    assert at.prefix_matching_control < 0.2 and (planted.prefix_matching > 0.2).sum() == 1


def test_a_head_that_looks_back_by_all_frequencies_is_found_among_its_random_heads() -> None:
    made = empty("plain", 20.0)
    look_back(made, 0, 2, 3.0)
    found = probe_heads(model_parts(made), SETS, ["previous_token"], SMALL)
    assert np.argwhere(found.previous_token_p_adjusted.values < 0.05).tolist() == [[0, 2]]
    assert float(found.previous_token[0, 2]) > 0.97 and float(found.previous_token_control[0, 2]) < 0.5
    assert set(found) == {"previous_token", "previous_token_by_prompt", *(f"previous_token_{s}" for s in STATISTICS)}


def test_scores_are_of_other_prompts_than_what_is_decided(untrained: xr.Dataset) -> None:
    assert untrained.sizes == {"layer": 2, "head": HEADS, "prompt": 6}
    for name in ("previous_token", "prefix_matching"):
        by_prompt = untrained[f"{name}_by_prompt"]
        np.testing.assert_allclose(untrained[name], by_prompt.mean("prompt"), rtol=1e-6)
        low, high = stats.ttest_1samp(by_prompt.values, 0, axis=-1).confidence_interval()
        np.testing.assert_allclose([untrained[f"{name}_low"], untrained[f"{name}_high"]], [low, high], rtol=1e-5)
        assert untrained[name].attrs["metric_kind"] == "proportion" and by_prompt.dtype == np.float32
    for name in PROBES:
        assert not np.isclose(untrained[name], untrained[f"{name}_deciding"], rtol=1e-9).any()
    assert untrained.ov_copying.attrs["long_name"] and untrained.attrs == {"level": 0.95}


def test_one_pass_serves_all_probes_and_alone_they_say_the_same(planted: xr.Dataset) -> None:
    """Deciding prompts, measured prompts, controls: three batches, whichever probes are asked for."""
    parts, passes = model_parts(induction("grouped", 1, first=8.0, beta=6.0)), []

    def run(tokens: torch.Tensor) -> Any:
        passes.append(tokens.shape)
        return parts.run(tokens)

    probe_heads(replace(parts, run=run), SETS, settings=SMALL)
    assert passes == [(4, 11)] * 3
    for name in PROBES:
        alone = probe_heads(parts, SETS, [name], SMALL)
        for variable in alone:
            np.testing.assert_allclose(alone[variable], planted[variable], rtol=1e-6, atol=1e-9)


def test_the_seed_decides(untrained: xr.Dataset) -> None:
    assert untrained.identical(drawn(3))
    assert not np.isclose(untrained.prefix_matching, drawn(3, seed=4).prefix_matching, rtol=1e-9).any()


@pytest.mark.simulation
def test_heads_of_untrained_models_are_as_their_controls() -> None:
    """Of 128 heads, a share near alpha has p below alpha (long form: tests.benchmarks.components)."""
    found = [drawn(seed) for seed in range(16)]
    for name in PROBES:
        p_values = np.concatenate([one[f"{name}_p_value"].values.ravel() for one in found])
        assert 0.04 < (p_values <= 0.1).mean() < 0.2, name
        assert 0.35 < (p_values <= 0.5).mean() < 0.65, name
        assert sum(bool((one[f"{name}_p_adjusted"] < 0.05).any()) for one in found) < 4, name


def test_tokens_are_those_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Letters(Encoding):
        def __init__(self, blocks: tuple[str, ...] = ()) -> None:
            self.blocks, self.size, self._first = blocks, 128, ord("d")

        def _tokens(self, text: str) -> list[int]:
            return [ord(letter) for letter in text]

    forms = {("en", "a"): ("cat", "tab"), ("de", "a"): ("bad",)}
    task = WordTask(
        languages=("en", "de"), concepts=("a",), forms=forms, nonce={}, prompt=lambda *_: "", stop='"'
    )  # fmt: skip
    assert tokens_of_words(task, Letters()) == (TokenSet(tokens=tuple(map(ord, "abct")), begin=100),)
    assert tokens_of_words(task, Letters(("en", "de"))) == (
        TokenSet(tokens=tuple(map(ord, "abct")), begin=100),
        TokenSet(tokens=tuple(128 + ord(letter) for letter in "ab"), begin=228),
    )


def test_what_makes_no_sense_is_refused() -> None:
    parts = model_parts(empty("plain", 20.0))
    assert checked_probes("heads") == OF_HEADS == tuple(PROBES) and checked_probes("ov_copying, ov_copying") == (
        "ov_copying",
    )
    with pytest.raises(
        UserError, match="`probes` has 'ov_copyin'; expected some of heads.*ov_copying.*; did you mean 'ov_copying'"
    ):
        checked_probes(["ov_copyin"])
    with pytest.raises(UserError, match="`probes` is empty"):
        checked_probes("")
    for changes, said in (
        ({"prompts": 7}, "`prompts` is 7; expected an even number"), ({"prompts": 2}, "`prompts` is 2; expected 4"),
        ({"draws": 1}, "`draws` is 1"), ({"level": 1.0}, "`level` is 1; expected more than 0"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=said):
            replace(SMALL, **changes)
    with pytest.raises(UserError, match="`vocabulary` has token 12; expected 0 to 11"):
        tokens_of_model(parts, [3, 12], None)
    with pytest.raises(UserError, match="`begin` has token -1"):
        tokens_of_model(parts, None, -1)
    with pytest.raises(UserError, match="`length` is 5 and `vocabulary` has 3 tokens"):
        probe_heads(parts, tokens_of_model(parts, [3, 4, 5], None), settings=SMALL)

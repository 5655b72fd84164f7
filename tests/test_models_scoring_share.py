"""Scoring dealt over processes gives the bits of one; few calls, and no masks where none are needed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend

from calque.models.config.sizes import size
from calque.models.decoder.decoder import Decoder
from calque.models.scoring import batches, scorer, token_logprobs
from calque.models.scoring.language_model import DecoderModel
from calque.models.scoring.share import Share
from calque.models.scoring.texts import HeldOut, heldout_loss
from calque.models.training.workers import launch
from tests import distributed_scoring as small


def test_two_processes_give_the_bits_of_one_and_share_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_TOKENS", batches.BATCH_TOKENS)  # restored afterwards
    expected, kept, tokens = small.alone()
    launch(small.run, 2, tmp_path, restarts=0)
    read = []
    for rank in range(2):
        found, logged, part = pickle.loads((tmp_path / f"{rank}.pickle").read_bytes())
        read.append(part)
        assert logged == kept and len(kept) > 30
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert np.isfinite(expected["loss"]).tolist() == [True, False, True]
    assert max(read) < 0.7 * tokens and sum(read) < 1.25 * tokens


def test_parts_are_dealt_evenly_and_each_once() -> None:
    costs = [9.0, 1, 1, 1, 8, 1, 1, 5, 5]
    dealt = [Share(rank=rank, processes=3).deal(costs) for rank in range(3)]
    assert sorted(part for each in dealt for part in each) == list(range(9))
    assert max(sum(costs[part] for part in each) for each in dealt) <= 11
    assert Share().deal(costs) == list(range(9))


class Attention:
    """Notes the shapes of attention, its masks, and the kernels allowed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shapes: set[Any] = set()
        self.calls, self.masked, self.single_masked, self.cudnn = 0, 0, 0, 0
        attend = F.scaled_dot_product_attention

        def noted(
            query: Any, key: Any, value: Any, attn_mask: Any = None, is_causal: bool = False, **named: Any
        ) -> Any:
            self.calls += 1
            self.shapes.add((tuple(query.shape), tuple(key.shape)))
            self.masked += attn_mask is not None
            self.single_masked += attn_mask is not None and query.shape[2] == 1
            self.cudnn += torch.backends.cuda.cudnn_sdp_enabled()
            return attend(query, key, value, attn_mask=attn_mask, is_causal=is_causal, **named)

        monkeypatch.setattr(F, "scaled_dot_product_attention", noted)


def test_the_budget_of_calls_and_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of this small task; a change that reads more often or in more shapes has to be decided."""
    assert SDPBackend.CUDNN_ATTENTION not in scorer.KERNELS
    asked = small.scorer()
    attention = Attention(monkeypatch)
    model = small.Counting(Decoder(size("tiny", asked.words.encoding.vocabulary), seed=1).eval())
    asked(model)
    assert attention.single_masked == attention.cudnn == 0 < attention.masked
    assert attention.calls <= 230 and len(attention.shapes) <= 204


@torch.inference_mode()
def test_windows_of_all_languages_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(size("nano", 50), seed=0).eval()
    rng = np.random.default_rng(0)
    texts = {
        code: HeldOut(windows=rng.integers(0, 50, (n, 17)), bytes_per_token=2.0) for code, n in (("a", 5), ("b", 3))
    }
    attention = Attention(monkeypatch)
    found = heldout_loss(decoder, texts, ("a", "x", "b"))
    assert attention.calls == 3, "one call, three layers"
    for code, loss in zip(("a", "x", "b"), found["loss"], strict=True):
        if code in texts:
            tokens = torch.from_numpy(texts[code].windows)
            logits = decoder(tokens[:, :-1])
            assert loss == pytest.approx(
                F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).item(), rel=1e-6
            )
        else:
            assert np.isnan(loss)
    monkeypatch.setattr(token_logprobs, "BATCH_LOGITS", 50 * 7)  # seven positions at a time
    np.testing.assert_allclose(heldout_loss(decoder, texts, ("a", "x", "b"))["loss"], found["loss"], rtol=1e-6)


@torch.inference_mode()
def test_other_models_are_read_as_their_logits_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(size("tiny", 50), seed=0).eval()

    class Other:
        """A language model that is no decoder."""

        device, vocabulary, rows = torch.device("cpu"), 50, list[int]()

        def read(self, tokens: Any, cache: Any = None, last: int | None = None) -> Any:
            self.rows.append(len(tokens))
            return DecoderModel(decoder).read(tokens, cache, last)

    tokens = torch.randint(0, 50, (7, 9), generator=torch.Generator().manual_seed(0))
    expected = token_logprobs.token_logprobs(DecoderModel(decoder), tokens)
    monkeypatch.setattr(token_logprobs, "BATCH_LOGITS", 8 * 50 * 3)
    other = Other()
    torch.testing.assert_close(token_logprobs.token_logprobs(other, tokens), expected)
    assert other.rows == [3, 3, 1]

"""Attention within documents: equals a mask written out, leaks nothing, compiles, and trains."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from calque.data.errors import UserError
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder import decoder as decoding
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.documents import document_mask
from calque.models.decoder.loss import Objective
from calque.models.training.loop import train
from tests import distributed_training as small

SHAPE = DecoderConfig(width=16, layers=2, heads=4, kv_heads=2, ffn_width=34, vocab_size=30)
BEGINS = (0, 1)
ROWS = torch.tensor([[0, 5, 6, 1, 7, 8, 9, 0, 5], [3, 4, 0, 0, 2, 3, 1, 9, 9]])
DOCUMENTS = [[(0, 3), (3, 7), (7, 8)], [(0, 2), (2, 3), (3, 6), (6, 8)]]
"""Of the first eight tokens of each row: where each document begins and ends."""


def written_out(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """Attention of every head, row and position by itself over the documents above; ``attn_mask`` is not looked at."""
    made = torch.zeros_like(query)
    for row, documents in enumerate(DOCUMENTS):
        for start, stop in documents:
            for at in range(start, stop):
                for head in range(query.shape[1]):
                    scores = key[row, head, start : at + 1] @ query[row, head, at] / math.sqrt(query.shape[-1])
                    made[row, head, at] = scores.softmax(0) @ value[row, head, start : at + 1]
    return made


def test_it_equals_a_mask_written_out_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for patched in (False, True):
        if patched:
            monkeypatch.setattr(decoding.F, "scaled_dot_product_attention", written_out)
        decoder = Decoder(SHAPE, seed=0).double()
        loss = Objective(decoder, 1e-3, BEGINS)(ROWS)[0]
        loss.backward()
        found.append((loss.item(), [p.grad for p in decoder.parameters()]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_nothing_of_another_document_is_read() -> None:
    decoder = Decoder(SHAPE, seed=0)
    changed = ROWS.clone()
    changed[0, 4:7] = torch.tensor([20, 21, 22])  # within the second document
    with torch.no_grad():
        one, other = (decoder.residuals(rows[:, :-1], document_mask(rows[:, :-1], BEGINS)) for rows in (ROWS, changed))
        across = [decoder.residuals(rows[:, :-1]) for rows in (ROWS, changed)]
    assert torch.equal(one[0, :4], other[0, :4]) and torch.equal(one[0, 7:], other[0, 7:])
    assert not torch.equal(one[0, 4:7], other[0, 4:7]) and not torch.equal(across[0][0, 7], across[1][0, 7])


def test_a_document_alone_in_its_row_is_the_same_either_way() -> None:
    decoder, rows = Decoder(SHAPE, seed=0), torch.tensor([[0, 5, 6, 7, 8, 9]])
    assert Objective(decoder, 0.0, BEGINS)(rows)[0].item() == pytest.approx(
        Objective(decoder)(rows)[0].item(), rel=1e-6
    )


@pytest.mark.filterwarnings("ignore:.*(deprecated|should not be instantiated):DeprecationWarning")  # in the compiler
def test_it_compiles_without_a_break() -> None:
    torch.compiler.reset()
    objective = Objective(Decoder(SHAPE, seed=0), 0.0, BEGINS)
    expected = objective(ROWS)[0].item()
    compiled = torch.compile(objective, fullgraph=True, dynamic=False, backend="aot_eager")
    assert compiled(ROWS)[0].item() == pytest.approx(expected, rel=1e-5)


class Joined(small.Cycle):
    """Two documents a row, of tokens above 1."""

    def batch(self, step: int) -> NDArray[np.int64]:
        tokens = 2 + super().batch(step) % 28
        tokens[:, 0] = 0
        tokens[:, 9] = 1
        return tokens


def test_training_takes_the_tokens_that_begin_documents(tmp_path: Path) -> None:
    losses: dict[str, list[float]] = {}
    for attention in ("context", "document"):
        told = losses.setdefault(attention, [])
        settings = small.config(attention=attention, tokens=128 * 10)
        go = partial(train, Decoder(SHAPE, seed=0), settings, Joined(), tuple(range(11)), tmp_path / attention)
        go(lambda *checkpoint: None, lambda progress, told=told: told.append(progress.loss), begins=BEGINS)
    assert losses["document"][0] != losses["context"][0] and losses["document"][-1] < losses["document"][0]


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(UserError, match="'hapax', which looks for bigrams across documents"):
        small.config(loss="hapax", attention="document")
    with pytest.raises(UserError, match="training.attention is 'documents'; expected one of context, document"):
        small.config(attention="documents")

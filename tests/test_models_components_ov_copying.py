"""Copying by the output-value circuit against the whole matrix from tokens to logits, in float64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from calque.data.errors import UserError
from calque.models.components.ov_copying import ov_copying
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from calque.models.reading.families import model_parts
from calque.models.reading.parts import ModelParts
from tests.induction_decoder import HEAD_WIDTH, HEADS, TOKENS, empty
from tests.reading_models import reading_model


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["multiplied", "llama", "olmo2", "gpt_neox"])
def test_ov_copying_is_that_of_the_whole_matrix(name: str) -> None:
    """Eigenvalues of the matrix from tokens to logits, written out."""
    made = reading_model(name)
    parts, tokens = model_parts(made), list(range(40))
    found = ov_copying(parts, tokens, np.random.default_rng(0), draws=19)
    generator = np.random.default_rng(0)
    groups = np.array_split(generator.permutation(40), 10)
    turns = stats.ortho_group.rvs(parts.output_weights(0)[0].shape[1], 19, random_state=generator)
    for layer in range(2):
        for head in range(parts.heads):
            whole = token_matrix(name, parts, layer, head)
            score = eigen_score(whole)
            np.testing.assert_allclose(found.score[layer, head], score, rtol=1e-6)
            rest = [np.setdiff1d(range(40), group) for group in groups]
            without = [eigen_score(whole[np.ix_(kept, kept)]) for kept in rest]
            error = np.sqrt(9 / 10 * ((without - np.mean(without)) ** 2).sum())
            ends = found.low[layer, head], found.high[layer, head]
            np.testing.assert_allclose(ends, stats.t(9, score, error).interval(0.95), rtol=1e-6)
            turned = [token_matrix(name, parts, layer, head, turn) for turn in turns]
            traces = [of.trace() for of in turned]
            sizes = [np.abs(np.linalg.eigvals(of)).sum() for of in turned[:5]]
            np.testing.assert_allclose(found.control[layer, head], np.mean(traces) / np.mean(sizes), rtol=1e-6)
    assert (found.p_value >= 1 / (1 + 19 * 2 * parts.heads)).all()


@torch.no_grad()
def token_matrix(
    name: str, parts: ModelParts, layer: int, head: int, turn: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the matrix from the first forty tokens to their logits that a head has, the scale of norms left out."""
    block, tokens = parts.blocks[layer], list(range(40))
    values, outputs = parts.value_weights(layer)[0], parts.output_weights(layer)[0]
    read_in, written = parts.embedding.weight[tokens], parts.unembedding.weight[tokens] * parts.norm.weight
    if name == "gpt_neox":
        read_in = read_in - read_in.mean(1, keepdim=True)
        written = written - written.mean(1, keepdim=True)
    if block.attention_norm is not None:
        read_in = read_in * block.attention_norm.weight
    if block.end_norm is not None:
        written = written * block.end_norm.weight
    between = torch.eye(len(values[head])).double() if turn is None else torch.from_numpy(turn).T
    return (read_in.double() @ values[head].double().T @ between @ (outputs[head] @ written.T).double()).numpy()


def eigen_score(whole: NDArray[np.float64]) -> float:
    sizes = np.linalg.eigvals(whole)
    return float(sizes.sum().real / np.abs(sizes).sum())


@pytest.mark.parametrize("sign", [1, -1])
def test_a_head_that_copies_scores_one_and_its_opposite_minus_one(sign: int) -> None:
    made = empty("grouped", 1e300)
    attention = made.blocks[1].attention
    columns = torch.arange(TOKENS)
    with torch.no_grad():
        attention.value.weight[HEAD_WIDTH + columns, columns] = 1.0
        attention.output.weight[columns, 3 * HEAD_WIDTH + columns] = float(sign)
    found = ov_copying(model_parts(made), range(TOKENS), np.random.default_rng(0), draws=99)
    expected = np.zeros((2, HEADS))
    expected[1, 3] = sign
    np.testing.assert_allclose(found.score, expected, atol=1e-9)
    np.testing.assert_allclose(found.low, expected, atol=1e-9)
    pooled = 1 + 99 * 2 * HEADS
    assert found.p_value[1, 3] == (1 if sign > 0 else pooled) / pooled
    assert (found.p_value[0] > 0.5).all()
    assert abs(found.control[1, 3]) < 0.2
    with pytest.raises(UserError, match="`tokens` has 2, 1 different"):
        ov_copying(model_parts(made), [1, 1], np.random.default_rng(0))
    with pytest.raises(UserError, match="`draws` is 1; expected 2 or more"):
        ov_copying(model_parts(made), [1, 2], np.random.default_rng(0), draws=1)


@pytest.mark.parametrize("tied", [False, True])
def test_an_untrained_head_is_not_told_from_its_turns(tied: bool) -> None:
    """Also where embeddings are tied, and random weights have some trace."""
    shape = DecoderConfig(width=32, layers=2, heads=4, kv_heads=2, ffn_width=32, vocab_size=201, tied=tied)
    found = [
        ov_copying(model_parts(Decoder(shape, seed=seed)), range(100), np.random.default_rng(seed)).p_value.values
        for seed in range(40)
    ]
    low = float((np.concatenate(found) <= 0.1).mean())  # of 320 heads; by permuted tokens .25 where they are tied
    assert 0.05 < low < 0.16
